package fault

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
)

// Variables of `make fault`: how many faults there are, and the seed of their
// order, which another run repeats.
const (
	envFaults = "PARLEY_FAULTS"
	envSeed   = "PARLEY_FAULT_SEED"
)

// setting reads a number from the environment.
func setting(t testing.TB, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

func TestClientsLoseNoEventWhileProcessesNATSAndSocketsBreak(t *testing.T) {
	t.Parallel()
	n := int(setting(t, envFaults, 12))
	seed := setting(t, envSeed, uint64(time.Now().UnixNano()))
	t.Logf("%d faults; repeat them with %s=%d %s=%d", n, envFaults, n, envSeed, seed)
	f := newFleet(t, 3)
	u := signUp(t, f.replicas[0].URL)
	clients := f.clients(u)
	marker := attend(t, u, clients)
	began := time.Now()
	w := startTraffic(t, u, f.proxy.URL, seed, 25)
	for i, x := range schedule(seed, n) {
		if !w.reached(x.after) {
			break
		}
		if testing.Verbose() {
			t.Logf("fault %d %s", i+1, x)
		}
		f.strike(x)
	}
	acked, vain := w.halt()
	f.repairs.Wait()
	rows := f.settle(u, marker)
	took := time.Since(began).Round(time.Second)
	var all []verdict
	for _, r := range clients {
		last := rows[len(rows)-1].position
		r.await(t, func() bool { return r.has(last) })
		v := judge(rows, r)
		all = append(all, v)
		assert.Empty(t, v.wrong(), "seed %d, %s", seed, v.name)
	}
	t.Logf("%d faults in %s, seed %d: %s\n%d mutations acknowledged, %d tries in vain\n%s", n, took, seed, f.damage(), acked, vain, table(all))
}

// clients starts the clients at the proxy.
func (f *fleet) clients(u *user) []*record {
	f.t.Helper()
	var all []*record
	for _, dir := range []string{"apollo", "urql", "graphql-ws"} {
		all = append(all, listen(f.t, dir, dir, f.proxy.URL, u.session(f.t)).record)
	}
	f.device = listen(f.t, "graphql-ws, device", "graphql-ws", f.proxy.URL, u.session(f.t), "device-7")
	return append(all, f.device.record, eventSource(f.t, u, f.proxy.URL))
}

// attend edits a note until every client has got an event, and gives the note:
// before, a client may not have been listening yet.
func attend(t testing.TB, u *user, clients []*record) (note string) {
	t.Helper()
	note, _, err := u.createNote(t.Context(), "A marker.")
	require.NoError(t, err)
	again := time.NewTicker(300 * time.Millisecond)
	defer again.Stop()
	timeout := time.After(gqlclient.Patience)
	for n := 0; ; n++ {
		waiting := slices.IndexFunc(clients, func(r *record) bool { return r.first() < 0 })
		if waiting < 0 {
			return note
		}
		require.Empty(t, clients[waiting].broken(), "%s hears nothing", clients[waiting].name)
		_, err := u.retitle(t.Context(), note, fmt.Sprintf("Marker %d", n))
		require.NoError(t, err)
		select {
		case <-again.C:
		case <-timeout:
			t.Fatalf("%s hears nothing", clients[waiting].name)
		}
	}
}

// settle waits until all jobs have ended, edits the marker for the last time, and
// gives all events of the user when nothing is under way any more.
func (f *fleet) settle(u *user, marker string) []row {
	f.t.Helper()
	f.none("jobs that have not ended", "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')")
	_, err := u.at(f.proxy.URL).retitle(f.t.Context(), marker, "The end")
	require.NoError(f.t, err)
	return f.placed(u)
}

// placed gives all events of the user once each has its place in the log.
func (f *fleet) placed(u *user) []row {
	f.t.Helper()
	f.none("events without a position", "SELECT count(*) FROM events WHERE position IS NULL")
	return rowsOf(f.t, f.Postgres, u.id)
}

// none waits until a count is 0.
func (f *fleet) none(what, query string) {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), f.Postgres)
	require.NoError(f.t, err)
	defer conn.Close(f.t.Context())
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	timeout := time.After(gqlclient.Patience)
	for {
		var n int
		require.NoError(f.t, conn.QueryRow(f.t.Context(), query).Scan(&n))
		if n == 0 {
			return
		}
		select {
		case <-look.C:
		case <-timeout:
			f.t.Fatalf("there are %d %s", n, what)
		}
	}
}

// damage counts the faults by kind.
func (f *fleet) damage() string {
	var parts []string
	for _, w := range weights {
		parts = append(parts, fmt.Sprintf("%d %s", f.struck[w.kind], w.kind))
	}
	return strings.Join(parts, ", ")
}
