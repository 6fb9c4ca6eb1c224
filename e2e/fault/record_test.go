package fault

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/note"
)

// eventFields is what a client asks for of an event.
const eventFields = `__typename cursor at
	... on JobChanged { jobId version job { id state } }
	... on NoteChanged { noteId action note { id title version } }
	... on TranslationChanged { noteId translationId translation { id state } }
	... on StreamReset { reason }`

// received is an event as a client got it.
type received struct {
	Typename      string `json:"__typename"`
	Cursor        string
	At            time.Time
	JobID         string
	NoteID        string
	TranslationID string
	Version       int64
	Reason        string
}

func (r *received) object() string {
	switch r.Typename {
	case job.TypeJobChanged:
		return r.JobID
	case note.TypeTranslationChanged:
		return r.TranslationID
	}
	return r.NoteID
}

// delivery is the arrival of an event.
type delivery struct {
	received
	position int64
	// session counts the client's connections, from 1.
	session int
	arrived time.Time
}

// record is everything that one client received, in the order in which it came.
type record struct {
	name string
	// after is the position behind which everything is expected; -1 means what lies
	// before the first event that came.
	after int64

	mu         sync.Mutex
	more       chan struct{}
	deliveries []delivery
	sessions   int
	closes     map[int]int
	problems   []string
}

func newRecord(name string) *record {
	return &record{name: name, after: -1, more: make(chan struct{}), closes: map[int]int{}}
}

func (r *record) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.more)
	r.more = make(chan struct{})
}

// connected is called for each connection.
func (r *record) connected() { r.change(func() { r.sessions++ }) }

// closed is called with the close code when a connection has ended.
func (r *record) closed(code int) { r.change(func() { r.closes[code]++ }) }

// problem is called for what must not happen.
func (r *record) problem(format string, args ...any) {
	r.change(func() { r.problems = append(r.problems, fmt.Sprintf(format, args...)) })
}

// add is called for each event as the server wrote it.
func (r *record) add(raw json.RawMessage) {
	d := delivery{arrived: time.Now()}
	err := json.Unmarshal(raw, &d.received)
	var at event.Cursor
	if err == nil {
		at, err = event.ParseCursor(d.Cursor)
	}
	if err != nil {
		r.problem("%.300s is no event: %v", raw, err)
		return
	}
	d.position = at.Position
	r.change(func() {
		d.session = r.sessions
		r.deliveries = append(r.deliveries, d)
	})
}

// has tells whether an event of the position came.
func (r *record) has(position int64) bool {
	for i := len(r.deliveries) - 1; i >= 0; i-- {
		if r.deliveries[i].position == position {
			return true
		}
	}
	return false
}

// await waits until what was received is enough, and tells whether that came to
// be in time and without a problem.
func (r *record) await(t testing.TB, enough func() bool) bool {
	t.Helper()
	timeout := time.After(gqlclient.Patience)
	for {
		r.mu.Lock()
		done, broken, more := enough(), len(r.problems) > 0, r.more
		r.mu.Unlock()
		if done || broken {
			return done
		}
		select {
		case <-more:
		case <-timeout:
			return false
		}
	}
}

// first gives the position of the client's first event, -1 before it.
func (r *record) first() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.deliveries) == 0 {
		return -1
	}
	return r.deliveries[0].position
}

// broken gives the problems so far.
func (r *record) broken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.problems)
}

// positionOf reads a cursor.
func positionOf(t testing.TB, cursor string) int64 {
	t.Helper()
	at, err := event.ParseCursor(cursor)
	require.NoError(t, err)
	return at.Position
}
