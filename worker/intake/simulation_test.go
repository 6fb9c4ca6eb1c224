package intake

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// server is what the planner's requests go to: lanes with messages, the requests
// that are open, and the messages that hold slots.
type server struct {
	t       *testing.T
	p       *planner
	now     time.Time
	queued  []int
	open    []int
	waiting []bool
	running []int
	started []int
}

func newServer(t *testing.T, p *planner) *server {
	n := len(p.lanes)
	return &server{t: t, p: p, now: time.Unix(1e9, 0), queued: make([]int, n), open: make([]int, n), waiting: make([]bool, n)}
}

// plan makes the requests, and fails when one can't be made or the slots are
// promised twice.
func (s *server) plan() {
	for _, r := range s.p.plan(s.now) {
		switch {
		case r.action == callOff:
			if s.open[r.lane] == 0 || !s.waiting[r.lane] {
				s.t.Fatalf("%s has no waiting request to be called off", laneNames[r.lane])
			}
			s.open[r.lane] = 0
		case s.open[r.lane] > 0:
			s.t.Fatalf("%s is asked twice", laneNames[r.lane])
		default:
			s.open[r.lane], s.waiting[r.lane] = r.count, r.action == wait
		}
	}
	held := len(s.running)
	for i := range s.p.lanes {
		if !s.waiting[i] {
			held += s.open[i]
		}
	}
	require.LessOrEqual(s.t, held, s.p.slots, "%d slots are promised, there are %d", held, s.p.slots)
	for i := range s.p.lanes {
		require.False(s.t, held < s.p.slots && s.open[i] == 0 && !s.p.lanes[i].broken && !s.busy(), "%s is forgotten", laneNames[i])
	}
}

// busy tells whether a lane is answering: slots may be waiting for it.
func (s *server) busy() bool {
	for i, n := range s.open {
		if n > 0 && !s.waiting[i] {
			return true
		}
	}
	return false
}

// answer brings one message of a lane, or says that there is none.
func (s *server) answer(lane int) {
	if s.open[lane] == 0 {
		return
	}
	if s.queued[lane] == 0 {
		if !s.waiting[lane] {
			s.open[lane] = 0
			s.p.ended(lane)
			s.plan()
		}
		return
	}
	s.queued[lane]--
	s.open[lane]--
	admitted, planNow := s.p.message(lane, uint64(s.queued[lane]), s.open[lane] == 0)
	if !admitted {
		s.t.Fatalf("%s was asked for a message that has no slot", laneNames[lane])
	}
	s.running, s.started = append(s.running, lane), append(s.started, lane)
	if planNow {
		s.plan()
	}
}

// finish ends the task that runs longest.
func (s *server) finish() {
	if len(s.running) > 0 {
		s.running = s.running[1:]
		s.p.done()
		s.plan()
	}
}

func TestPlanner_SharesSixToOneOverTime(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2, 3, 7, 14, 100} {
		s := newServer(t, pools(2, slots))
		for i := range s.queued {
			s.queued[i] = 1000
		}
		s.plan()
		for len(s.started) < 700+slots {
			for i := range s.queued {
				for s.open[i] > 0 {
					s.answer(i)
				}
			}
			s.now = s.now.Add(probeInterval)
			s.finish()
		}
		counts := make([]int, len(s.queued))
		// The first lane that is heard of gets all slots: nothing is known of the others.
		for _, lane := range s.started[slots : slots+700] {
			counts[lane]++
		}
		for i, n := range counts {
			want := 300
			if i == b0 || i == b1 {
				want = 50
			}
			assert.GreaterOrEqual(t, n, want-slots/7-2, "%d slots: %s got %d of 700, want about %d", slots, laneNames[i], n, want)
			assert.LessOrEqual(t, n, want+slots/7+2, "%d slots: %s got %d of 700, want about %d", slots, laneNames[i], n, want)
		}
	}
}

// Whatever happens, slots are never promised twice, no lane is forgotten, and
// all work gets done.
func TestPlanner_KeepsItsPromisesWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newServer(t, pools(2, 1+r.IntN(8)))
		s.plan()
		sent := 0
		for range 400 {
			s.now = s.now.Add(time.Duration(r.IntN(1000)) * time.Microsecond)
			lane := r.IntN(len(s.queued))
			switch r.IntN(8) {
			case 0:
				n := r.IntN(12)
				s.queued[lane] += n
				sent += n
			case 1:
				s.open[lane] = 0
				s.p.broke(lane)
				s.plan()
			case 2:
				if s.p.lanes[lane].broken {
					s.p.opened(lane)
					s.plan()
				}
			case 3, 4:
				s.finish()
			default:
				s.answer(lane)
			}
		}
		for i := range s.p.lanes {
			s.p.opened(i)
		}
		s.plan()
		for round := 0; round < 10*sent && (len(s.started) < sent || len(s.running) > 0); round++ {
			for i := range s.queued {
				s.answer(i)
			}
			s.finish()
			s.now = s.now.Add(time.Millisecond)
		}
		require.Len(t, s.started, sent, "seed %d: %d of %d messages were started, %d run on", seed, len(s.started), sent, len(s.running))
		require.Empty(t, s.running, "seed %d: %d of %d messages were started, %d run on", seed, len(s.started), sent, len(s.running))
	}
}
