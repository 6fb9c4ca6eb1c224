package batch_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// childURL gives the child of the crash test its database.
const childURL = "PARLEY_BATCH_CHILD"

const (
	crashCallers = 32
	crashCall    = 3
)

// load writes rows of unique ids from many callers until each of them is told
// to stop, and reports what became of every item.
func load(ctx context.Context, w *writer, prefix string, goOn func() bool, report func(id string, err error)) {
	var callers sync.WaitGroup
	for i := range crashCallers {
		callers.Go(func() {
			for n := 0; goOn(); n++ {
				items := make([]row, crashCall)
				for k := range items {
					items[k] = row{id: fmt.Sprintf("%s-%d-%d-%d", prefix, i, n, k)}
				}
				if n%20 == 19 {
					items[1].size = bad // transactions are halved now and then
				}
				results, err := w.Do(ctx, items...)
				for k := range items {
					if err == nil {
						report(items[k].id, results[k].Err)
					} else {
						report(items[k].id, err)
					}
				}
			}
		})
	}
	callers.Wait()
}

// beChild writes as fast as it can and prints every id that is acknowledged,
// until it is killed.
func beChild(url string) error {
	s, err := store.Open(context.Background(), store.Config{URL: url})
	if err != nil {
		return err
	}
	w := batch.New(s, batch.Config[row, int64]{MaxItems: 50, Commit: inserting(s)})
	load(context.Background(), w, "child", func() bool { return true }, func(id string, err error) {
		if err == nil {
			_, _ = os.Stdout.WriteString("ack " + id + "\n") // one write, one line
		}
	})
	return errors.New("the load ended")
}

// The child is this test binary itself.
func TestAcknowledgedItemsOutliveAKilledProcess(t *testing.T) {
	url := os.Getenv(childURL)
	require.Empty(t, url, "%v", beChild(url))
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		s := dbtest.Open(t, url)
		createRows(t, s)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAcknowledgedItemsOutliveAKilledProcess$")
		child.Env = append(os.Environ(), childURL+"="+url)
		output, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		var acknowledged []string
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
				acknowledged = append(acknowledged, id)
			} else {
				t.Log(lines.Text())
			}
			if len(acknowledged) == 5000 {
				require.NoError(t, child.Process.Signal(syscall.SIGKILL))
			}
		}
		require.Error(t, child.Wait())
		require.Equal(t, "signal: killed", child.ProcessState.String())
		require.GreaterOrEqual(t, len(acknowledged), 5000)

		again := dbtest.Open(t, url)
		rows := stored(t, again)
		for _, id := range acknowledged {
			require.Equal(t, 1, rows[id], id)
		}
		for id, n := range rows {
			require.Equal(t, 1, n, "%s, acknowledged or not", id)
		}
	})
}

func TestAcknowledgedItemsOutliveAKilledDatabase(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	createRows(t, s)
	w := batch.New(s, batch.Config[row, int64]{MaxItems: 50, Commit: inserting(s)})
	var mu sync.Mutex
	fates := map[string]error{}
	good := 0
	for round := range 3 {
		// A round begins with connections that died in the one before: callers
		// stop only when the server is gone again.
		var down atomic.Bool
		killed := make(chan error, 1)
		dying, enough := false, good+2000
		load(t.Context(), w, fmt.Sprint(round), func() bool { return !down.Load() }, func(id string, err error) {
			mu.Lock()
			defer mu.Unlock()
			fates[id] = err
			if err == nil {
				good++
			}
			if good == enough && !dying {
				dying = true
				go func() { killed <- server.Kill() }()
			}
			if dying && apperr.Is(err, apperr.Unavailable) {
				down.Store(true)
			}
		})
		require.NoError(t, receive(t, killed))
		require.NoError(t, server.Restart(t.Context()))
	}
	rows := stored(t, dbtest.Open(t, server.URL))
	unknown := 0
	for id, err := range fates {
		switch {
		case err == nil:
			require.Equal(t, 1, rows[id], "%s was acknowledged", id)
		case strings.Contains(err.Error(), "look whether it was"):
			unknown++
			require.LessOrEqual(t, rows[id], 1, id)
		default:
			require.Zero(t, rows[id], "%s was said not to be saved: %v", id, err)
			if !strings.Contains(err.Error(), "constraint") {
				require.Equal(t, apperr.Unavailable, apperr.CodeOf(err), err)
			}
		}
		delete(rows, id)
	}
	require.Empty(t, rows)
	t.Logf("%d items were acknowledged, the outcome of %d is not known", good, unknown)
}
