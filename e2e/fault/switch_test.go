package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"parley/e2e/gqlclient"
)

// Four ways to the same log; a client may take another one at any moment.
func TestAClientThatSwitchesBetweenTheTransportsLosesNoEvent(t *testing.T) {
	t.Parallel()
	seed := setting(t, envSeed, uint64(time.Now().UnixNano()))
	t.Logf("%s=%d", envSeed, seed)
	f := newFleet(t, 2)
	u := signUp(t, f.replicas[0].URL).at(f.proxy.URL)
	var got struct {
		CreateNote struct {
			Note   struct{ ID string }
			Cursor string
		}
	}
	u.Must(t, `mutation($i: CreateNoteInput!) { createNote(input: $i) { note { id } cursor } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"title": "The first", "text": "The house is old.", "language": "en"}}, &got)
	s := &switcher{record: newRecord("switcher"), user: u, last: got.CreateNote.Cursor, rng: rand.New(rand.NewPCG(seed, 0))}
	s.after = positionOf(t, s.last)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx, t)
	}()
	w := startTraffic(t, u, f.proxy.URL, seed, 25)
	w.reached(150)
	w.halt()
	rows := f.settle(u, got.CreateNote.Note.ID)
	last := rows[len(rows)-1].position
	s.await(t, func() bool { return s.has(last) })
	stop()
	<-ended
	v := judge(rows, s.record)
	assert.Empty(t, v.wrong(), "seed %d", seed)
	t.Logf("%v\n%s", s.legs, table([]verdict{v}))
	for _, way := range ways {
		assert.NotZero(t, s.legs[way.name], "nothing came by %s", way.name)
	}
}

// switcher is a client that takes another transport every few events.
type switcher struct {
	*record
	user *user
	// last is the cursor of the last event that it has.
	last string
	rng  *rand.Rand
	// legs counts the connections that brought something, by transport.
	legs map[string]int
}

// ways are the transports. Each reads about n events behind the last one.
var ways = []struct {
	name string
	read func(s *switcher, ctx context.Context, t testing.TB, n int) error
}{
	{"graphql-transport-ws", (*switcher).bySocket},
	{"SSE by POST", (*switcher).byPost},
	{"EventSource", (*switcher).byEventSource},
	{"long poll", (*switcher).byPoll},
}

func (s *switcher) run(ctx context.Context, t testing.TB) {
	s.legs = map[string]int{}
	for leg := 0; ctx.Err() == nil; leg++ {
		// Each once, then at random.
		way := ways[s.rng.IntN(len(ways))]
		if leg < len(ways) {
			way = ways[leg]
		}
		s.connected()
		before := s.last
		if err := way.read(s, ctx, t, 1+s.rng.IntN(5)); err != nil && ctx.Err() == nil {
			s.problem("%s after %s: %v", way.name, before, err)
			return
		}
		if s.last != before {
			s.legs[way.name]++
		}
	}
}

// take records an event.
func (s *switcher) take(raw json.RawMessage) error {
	var e struct{ Cursor string }
	if err := json.Unmarshal(raw, &e); err != nil || e.Cursor == "" {
		return fmt.Errorf("%.200s is no event: %w", raw, err)
	}
	s.add(raw)
	s.last = e.Cursor
	return nil
}

// next records the event of a response of the subscription.
func (s *switcher) next(r *gqlclient.Response) error {
	raw, err := eventIn(r)
	if err != nil {
		return err
	}
	return s.take(raw)
}

const (
	eventsAfter = `subscription($a: EventCursor) { events(after: $a) { ` + eventFields + ` } }`
	eventsSince = `query($a: EventCursor) { eventsSince(after: $a, waitMs: 2000) { events { ` + eventFields + ` } cursor hasMore } }`
)

func (s *switcher) bySocket(ctx context.Context, t testing.TB, n int) error {
	socket, err := s.user.Dial(ctx)
	if err != nil {
		return err
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, socket.Close)()
	stream := socket.Subscribe(t, eventsAfter, gqlclient.Vars{"a": s.last})
	for range n {
		r, more := stream.Wait()
		if !more {
			return io.ErrUnexpectedEOF
		}
		if err := s.next(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *switcher) byPost(ctx context.Context, _ testing.TB, n int) error {
	body, err := json.Marshal(map[string]any{"query": eventsAfter, "variables": map[string]string{"a": s.last}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.user.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return s.readStream(r, n)
}

// byEventSource asks as a browser does that comes back.
func (s *switcher) byEventSource(ctx context.Context, _ testing.TB, n int) error {
	r, err := eventSourceRequest(ctx, s.user.URL, s.last)
	if err != nil {
		return err
	}
	return s.readStream(r, n)
}

// readStream reads n events of a stream of server-sent events and breaks it
// off.
func (s *switcher) readStream(r *http.Request, n int) error {
	return readStream(r, s.user.Token, func(id string, response *gqlclient.Response) (bool, error) {
		if err := s.next(response); err != nil {
			return false, err
		}
		if id != s.last {
			return false, fmt.Errorf("the event %s has the id %q", s.last, id)
		}
		n--
		return n > 0, nil
	})
}

func (s *switcher) byPoll(ctx context.Context, _ testing.TB, n int) error {
	for taken := 0; taken < n && ctx.Err() == nil; {
		r, err := s.user.Do(ctx, eventsSince, gqlclient.Vars{"a": s.last})
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			return err
		}
		var data struct {
			EventsSince struct {
				Events []json.RawMessage
				Cursor string
			}
		}
		if err := json.Unmarshal(r.Data, &data); err != nil {
			return err
		}
		for _, e := range data.EventsSince.Events {
			if err := s.take(e); err != nil {
				return err
			}
			taken++
		}
		s.last = data.EventsSince.Cursor
	}
	return nil
}
