package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// envStalled is the number of stalled readers; there are a tenth as many healthy
// ones.
const envStalled = "PARLEY_STALLED_READERS"

const (
	// largeText is the note that fills a stalled reader's buffers; the kernel's
	// at both ends hold a few of it.
	largeText  = 60_000
	largeTexts = 30
	// mostPerStalled is how much of the server's heap a stalled reader may take, in
	// bytes: a few messages on their way. All that it was sent is more. mostElse is
	// what the others may take beyond what they took before.
	mostPerStalled = 600_000
	mostElse       = 48 << 20
)

const watchTexts = `subscription { events { __typename cursor at ... on NoteChanged { noteId action note { id text } } } }`

// Readers who stopped reading must cost no memory without end, must be cut
// off, and must not be noticed by the others.
func TestStalledReadersAreCutOffAndHealthyOnesLoseNothing(t *testing.T) {
	t.Parallel()
	stalled := int(setting(t, envStalled, 100))
	c := process.NewCluster(t, "PARLEY_LOG_LEVEL=info", "PARLEY_ACCESS_LIFETIME=2h")
	url := c.API().URL
	u := signUp(t, url).at(url)
	small, large := mustNote(t, u, "Small."), mustNote(t, u, strings.Repeat("All work and no play. ", largeText/22))
	healthy := make([]*record, stalled/10)
	for i := range healthy {
		healthy[i] = newRecord(fmt.Sprintf("healthy reader %d", i))
		read(t, u, healthy[i])
	}
	marker := attend(t, u, healthy)
	from := len(rowsOf(t, c.Postgres, u.id))
	pulse(t, u, small, 60)
	to := len(rowsOf(t, c.Postgres, u.id))

	m := &meter{t: t, url: url}
	usual := m.look()
	stallAll(t, u, stalled)
	m.until("parley_sockets_open", float64(stalled+len(healthy)))
	pulse(t, u, large, largeTexts)
	beside := len(rowsOf(t, c.Postgres, u.id))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		m.until("parley_sockets_open", float64(len(healthy)))
	}()
	pulseUntil(t, u, small, gone)
	_, err := u.retitle(t.Context(), marker, "The end")
	require.NoError(t, err)
	rows := (&fleet{Cluster: c, t: t}).placed(u)
	allServed(t, rows, healthy)
	alone, crowded := latencies(rows[from:to], healthy), latencies(rows[beside:], healthy)
	growth := m.most.heap - usual.heap
	t.Logf("%d healthy readers alone: p50 %s, p99 %s; beside %d stalled ones: p50 %s, p99 %s\nresident %.0f MiB before, at most %.0f MiB; heap %.0f MiB before, at most %.0f MiB: %.0f KiB for each stalled reader, who was sent %d KiB",
		len(healthy), quantile(alone, 0.5), quantile(alone, 0.99), stalled, quantile(crowded, 0.5), quantile(crowded, 0.99),
		usual.resident/(1<<20), m.most.resident/(1<<20), usual.heap/(1<<20), m.most.heap/(1<<20), growth/float64(stalled)/(1<<10), largeText*largeTexts/1024)
	most := float64(stalled)*mostPerStalled + mostElse
	assert.LessOrEqual(t, growth, most, "the heap grew by %.0f bytes, more than %.0f", growth, most)
}

// allServed checks that each reader got everything, on one connection.
func allServed(t *testing.T, rows []row, readers []*record) {
	t.Helper()
	last := rows[len(rows)-1].position
	for _, r := range readers {
		r.await(t, func() bool { return r.has(last) })
		v := judge(rows, r)
		wrong := v.wrong()
		assert.Empty(t, wrong, "%s, %d connections", v.name, v.sessions)
		assert.Equal(t, 1, v.sessions, "%s, %d connections:\n  %s", v.name, v.sessions, wrong)
	}
}

// stallAll opens n sockets of readers who stall.
func stallAll(t *testing.T, u *user, n int) {
	t.Helper()
	const atOnce = 8
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			for j := i; j < n && !t.Failed(); j += atOnce {
				stall(t, u)
			}
		})
	}
	all.Wait()
}

func mustNote(t testing.TB, u *user, text string) string {
	t.Helper()
	id, _, err := u.createNote(t.Context(), text)
	require.NoError(t, err)
	return id
}

// read lets a healthy reader follow the events.
func read(t testing.TB, u *user, r *record) {
	t.Helper()
	s := u.MustDial(t)
	r.connected()
	stream := s.Subscribe(t, watchTexts, nil)
	go func() {
		for {
			var m struct{ Events json.RawMessage }
			response, more := stream.Wait()
			if !more {
				return
			}
			if err := json.Unmarshal(response.Data, &m); err != nil || len(response.Errors) > 0 {
				r.problem("%s: %v", response.Data, response.Err())
				return
			}
			r.add(m.Events)
		}
	}()
}

// stall opens a socket that subscribes and reads nothing any more. Its buffer in
// the kernel is small.
func stall(t testing.TB, u *user) {
	t.Helper()
	var conn net.Conn
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		if failed != nil {
			return failed
		}
		return err
	}}
	dialer := websocket.Dialer{
		Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: gqlclient.Patience, ReadBufferSize: 512, WriteBufferSize: 512,
		NetDialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			conn, err = small.DialContext(ctx, network, address)
			return conn, err
		},
	}
	socket, answer, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(u.URL, "http")+"/graphql", nil)
	require.NoError(t, err)
	answer.Body.Close()
	t.Cleanup(func() { socket.Close() })
	hello := map[string]any{"type": "connection_init", "payload": map[string]string{"authorization": "Bearer " + u.Token}}
	subscribe := map[string]any{"id": "1", "type": "subscribe", "payload": map[string]string{"query": watchTexts}}
	var ack struct{ Type string }
	require.NoError(t, socket.WriteJSON(hello))
	require.NoError(t, socket.ReadJSON(&ack))
	require.Equal(t, "connection_ack", ack.Type)
	require.NoError(t, socket.WriteJSON(subscribe))
}

// beat is the time between two edits whose delivery is measured.
const beat = 50 * time.Millisecond

// pulse edits a note n times.
func pulse(t testing.TB, u *user, note string, n int) {
	t.Helper()
	pace := time.NewTicker(beat)
	defer pace.Stop()
	for i := range n {
		_, err := u.retitle(t.Context(), note, fmt.Sprintf("Pulse %d", i))
		require.NoError(t, err)
		<-pace.C
	}
}

// pulseUntil edits a note until done is closed.
func pulseUntil(t testing.TB, u *user, note string, done <-chan struct{}) {
	t.Helper()
	for {
		select {
		case <-done:
			return
		default:
			pulse(t, u, note, 1)
		}
	}
}

// latencies gives the times from commit to arrival, sorted.
func latencies(rows []row, readers []*record) []time.Duration {
	committed := map[int64]time.Time{}
	for _, e := range rows {
		committed[e.position] = e.committed
	}
	var all []time.Duration
	for _, r := range readers {
		r.mu.Lock()
		for _, d := range r.deliveries {
			if at, ok := committed[d.position]; ok {
				all = append(all, d.arrived.Sub(at))
			}
		}
		r.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))].Round(100 * time.Microsecond)
}
