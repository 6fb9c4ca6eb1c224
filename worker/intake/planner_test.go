package intake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The lanes of two pools, as New orders them.
const (
	i0 = iota
	b0
	i1
	b1
)

var laneNames = []string{"i0", "b0", "i1", "b1"}

// pools makes a planner for n pools, with all lanes opened.
func pools(n, slots int) *planner {
	var shares []float64
	for range n {
		shares = append(shares, 6, 1)
	}
	p := newPlanner(slots, shares)
	for i := range p.lanes {
		p.opened(i)
	}
	return p
}

// say puts requests into words: "i0 take 3, b0 wait".
func say(requests []request) string {
	var words []string
	for _, r := range requests {
		switch r.action {
		case take:
			words = append(words, fmt.Sprintf("%s take %d", laneNames[r.lane], r.count))
		case wait:
			words = append(words, laneNames[r.lane]+" wait")
		case callOff:
			words = append(words, laneNames[r.lane]+" call off")
		}
	}
	return strings.Join(words, ", ")
}

// event happens to a planner and tells whether the intake would plan then.
type event func(p *planner) (planNow bool)

func starts(*planner) bool { return true }

// has is what a lane was last heard to have, from an answer before the table
// begins.
func has(lane int, pending uint64) event {
	return func(p *planner) bool { p.lanes[lane].pending = pending; return true }
}

func brings(lane int, pending uint64, last bool) event {
	return func(p *planner) bool {
		admitted, planNow := p.message(lane, pending, last)
		if !admitted {
			panic("a message was refused")
		}
		return planNow
	}
}

func bringsTooMuch(lane int, pending uint64, last bool) event {
	return func(p *planner) bool {
		admitted, planNow := p.message(lane, pending, last)
		if admitted {
			panic("a message was admitted")
		}
		return planNow
	}
}

func hasNoMore(lane int) event {
	return func(p *planner) bool { p.ended(lane); return true }
}

func comesTooLate(lane int) event {
	return func(p *planner) bool { p.tooLate(lane); return false }
}

func breaks(lane int) event {
	return func(p *planner) bool { p.broke(lane); return true }
}

func isOpened(lane int) event {
	return func(p *planner) bool { p.opened(lane); return true }
}

func ran(lane int, served float64) event {
	return func(p *planner) bool { p.lanes[lane].served = served; return false }
}

func slotIsFree(p *planner) bool { p.done(); return true }

func closes(p *planner) bool { p.close(); return true }

// all is several events after which the intake plans once.
func all(events ...event) event {
	return func(p *planner) bool {
		planNow := false
		for _, e := range events {
			planNow = e(p) || planNow
		}
		return planNow
	}
}

type step struct {
	event event
	// after is how much time has passed since the step before.
	after time.Duration
	want  string
}

var plannerCases = []struct {
	name         string
	pools, slots int
	steps        []step
}{
	{"lanes that nothing is known of wait for one message each", 2, 4, []step{
		{event: starts, want: "i0 wait, b0 wait, i1 wait, b1 wait"},
		{event: starts, want: ""},
	}},
	{"a lane that waited in vain waits again", 1, 4, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: hasNoMore(b0), want: "b0 wait"},
	}},
	{"a lane with nothing behind its message waits again", 1, 4, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 0, true), want: "i0 wait"},
	}},
	{"a lane with more is asked for what there is", 1, 8, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(b0, 2, true), want: "b0 take 2"},
	}},
	{"a lane with more than there is room for gets all slots, and nobody waits", 1, 4, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(b0, 100, true), want: "b0 take 3, i0 call off"},
	}},
	{"a batch is planned for once, with its last message", 1, 8, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 3, true), want: "i0 take 3"},
		{event: brings(i0, 2, false), want: ""},
		{event: brings(i0, 1, false), want: ""},
		{event: brings(i0, 0, true), want: "i0 wait"},
	}},
	{"a batch that turned out smaller frees its slots", 1, 3, []step{
		{event: has(i0, 9), want: "i0 take 2, b0 take 1"},
		{event: brings(i0, 8, false), want: ""},
		{event: all(hasNoMore(b0), hasNoMore(i0)), want: "i0 wait, b0 wait"},
	}},
	{"slots go six to one", 1, 7, []step{
		{event: all(has(i0, 100), has(b0, 100)), want: "i0 take 6, b0 take 1"},
	}},
	{"what a lane leaves goes to the other", 1, 14, []step{
		{event: all(has(i0, 3), has(b0, 100)), want: "i0 take 3, b0 take 11"},
	}},
	{"pools share alike", 2, 14, []step{
		{event: all(has(i0, 100), has(b0, 100), has(i1, 100), has(b1, 100)), want: "i0 take 6, b0 take 1, i1 take 6, b1 take 1"},
	}},
	{"with one slot bulk gets the second turn and then waits for six", 1, 1, []step{
		{event: all(has(i0, 100), has(b0, 100)), want: "i0 take 1"},
		{event: brings(i0, 99, true), want: ""},
		{event: slotIsFree, want: "b0 take 1"},
		{event: brings(b0, 99, true), want: ""},
		{event: slotIsFree, want: "i0 take 1"},
		{event: brings(i0, 98, true), want: ""},
		{event: slotIsFree, want: "i0 take 1"},
	}},
	{"a lane whose answer is under way keeps its turn", 1, 3, []step{
		{event: all(has(i0, 100), has(b0, 100)), want: "i0 take 2, b0 take 1"},
		{event: brings(b0, 99, true), want: ""},
		{event: slotIsFree, want: ""},
		{event: brings(i0, 99, false), want: ""},
		{event: brings(i0, 98, true), want: "i0 take 1"},
	}},
	{"a lane that was idle gets no more than its share", 1, 6, []step{
		{event: all(ran(i0, 50), starts), want: "i0 wait, b0 wait"},
		{event: all(has(i0, 100), brings(b0, 100, true), hasNoMore(i0)), want: "i0 take 5"},
	}},
	{"an empty lane is looked at while the slots are full, from time to time", 1, 1, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(b0, 100, true), want: "i0 call off"},
		{event: slotIsFree, want: "i0 take 1"},
		{event: hasNoMore(i0), want: "b0 take 1"},
		{event: brings(b0, 99, true), after: probeInterval / 2, want: ""},
		{event: slotIsFree, want: "b0 take 1"},
		{event: brings(b0, 98, true), after: probeInterval / 2, want: ""},
		{event: slotIsFree, want: "i0 take 1"},
		{event: brings(i0, 1, true), want: ""},
		{event: slotIsFree, want: "i0 take 1"},
	}},
	{"a message that was on its way when its request was called off has no slot", 1, 1, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 0, true), want: "b0 call off"},
		{event: bringsTooMuch(b0, 0, false), want: ""},
		{event: slotIsFree, want: "i0 wait, b0 wait"},
	}},
	{"a lane whose request was fulfilled before it was called off isn't asked until its message is told", 1, 1, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 0, true), want: "b0 call off"},
		{event: comesTooLate(b0), want: ""},
		{event: slotIsFree, want: "i0 wait"},
		{event: brings(b0, 0, true), want: "i0 call off"},
		{event: slotIsFree, want: "i0 wait, b0 wait"},
	}},
	{"one that comes when there is room again has a slot", 1, 2, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 0, true), want: "i0 wait"},
		{event: brings(i0, 0, true), want: "b0 call off"},
		{event: slotIsFree, want: "i0 wait, b0 wait"},
		{event: brings(b0, 0, false), want: "i0 call off, b0 call off"},
	}},
	{"a broken lane is left alone until it is opened", 1, 2, []step{
		{event: breaks(i0), want: "b0 wait"},
		{event: brings(b0, 0, true), want: "b0 wait"},
		{event: isOpened(i0), want: "i0 wait"},
	}},
	{"what a lane had asked for when it broke goes to the others", 1, 4, []step{
		{event: has(i0, 100), want: "i0 take 3, b0 take 1"},
		{event: breaks(i0), want: ""},
		{event: brings(b0, 100, true), want: "b0 take 3"},
		{event: isOpened(i0), want: ""},
	}},
	{"after closing nothing is asked for and nothing has a slot", 1, 4, []step{
		{event: starts, want: "i0 wait, b0 wait"},
		{event: brings(i0, 5, true), want: "i0 take 3, b0 call off"},
		{event: closes, want: ""},
		{event: bringsTooMuch(i0, 4, false), want: ""},
		{event: slotIsFree, want: ""},
	}},
}

func TestPlanner(t *testing.T) {
	t.Parallel()
	for _, test := range plannerCases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pools(test.pools, test.slots)
			now := time.Unix(1e9, 0)
			for i, s := range test.steps {
				now = now.Add(s.after)
				got := ""
				if s.event(p) {
					got = say(p.plan(now))
				}
				require.Equal(t, s.want, got, "step %d", i+1)
			}
		})
	}
}

// Lanes come and go; the place of one that went is given again, with nothing of its past.
func TestPlanner_LanesComeAndGo(t *testing.T) {
	t.Parallel()
	p := newPlanner(2, nil)
	assert.Empty(t, p.plan(time.Now()), "without lanes there is nothing to ask")
	first, second := p.add(6), p.add(1)
	p.opened(first)
	p.opened(second)
	assert.Len(t, p.plan(time.Now()), 2)
	admitted, _ := p.message(first, 5, true)
	assert.True(t, admitted)
	p.remove(first)
	for _, r := range p.plan(time.Now()) {
		assert.NotEqual(t, first, r.lane, "a lane that is gone is asked for %v", r.action)
	}
	third := p.add(1)
	assert.Equal(t, first, third)
	assert.True(t, p.lanes[third].broken, "it is not opened yet")
	assert.Zero(t, p.lanes[third].pending)
	assert.Equal(t, 1, p.running, "the message of the lane that went has its slot")
	p.done()
	assert.Zero(t, p.running)
}
