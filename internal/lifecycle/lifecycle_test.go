package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// diary notes what happened, in order, and tells who waits for it.
type diary struct {
	mu    sync.Mutex
	lines []string
	wrote chan string
}

func newDiary() *diary { return &diary{wrote: make(chan string, 1000)} }

func (d *diary) write(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	d.mu.Lock()
	d.lines = append(d.lines, line)
	d.mu.Unlock()
	d.wrote <- line
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// await waits until the lines were written, in whatever order.
func (d *diary) await(lines ...string) {
	for len(lines) > 0 {
		line := <-d.wrote
		lines = slices.DeleteFunc(lines, func(l string) bool { return l == line })
	}
}

// steady lives until it is told to stop.
func steady(d *diary, name string) Service {
	return Func(func(ctx context.Context) error {
		d.write("%s runs", name)
		<-ctx.Done()
		d.write("%s stops", name)
		return nil
	})
}

// run runs a group in the background.
func run(ctx context.Context, g *Group) <-chan error {
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return done
}

func stops(lines []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return !strings.HasSuffix(l, " stops") })
}

func TestServicesStopInTheReverseOrderOfTheirAdding(t *testing.T) {
	t.Parallel()
	d := newDiary()
	g := &Group{}
	for _, name := range []string{"a", "b", "c"} {
		g.Add(name, steady(d, name))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := run(ctx, g)
	d.await("a runs", "b runs", "c runs")
	got := stops(d.all())
	require.Empty(t, got, "%v before anyone said so", got)
	cancel()
	cancel() // a second time changes nothing
	require.NoError(t, <-done)
	assert.Equal(t, "[c stops b stops a stops]", fmt.Sprint(stops(d.all())))
}

// A service still works while those that were added later take their time.
func TestAServiceIsToldToStopOnlyAfterTheLaterOnesHaveReturned(t *testing.T) {
	t.Parallel()
	d := newDiary()
	finish := make(chan struct{})
	var base context.Context
	g := &Group{Grace: time.Minute}
	g.Add("base", Func(func(ctx context.Context) error {
		base = ctx
		d.write("base runs")
		<-ctx.Done()
		d.write("base stops")
		return nil
	}))
	g.Add("user", Func(func(ctx context.Context) error {
		d.write("user runs")
		<-ctx.Done()
		d.write("user drains")
		<-finish
		d.write("user stops")
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := run(ctx, g)
	d.await("base runs", "user runs")
	cancel()
	d.await("user drains")
	assert.NoError(t, base.Err(), "the base was stopped under its user")
	close(finish)
	require.NoError(t, <-done)
	assert.Equal(t, "[user stops base stops]", fmt.Sprint(stops(d.all())))
}

func TestAServiceThatEndsEarlyStopsTheOthersAndIsNamed(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	for name, end := range map[string]error{"with an error": oops, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDiary()
			now := make(chan struct{})
			g := &Group{}
			g.Add("before", steady(d, "before"))
			g.Add("the one", Func(func(context.Context) error { <-now; return end }))
			g.Add("after", steady(d, "after"))
			done := run(t.Context(), g)
			d.await("before runs", "after runs")
			close(now)
			err := <-done
			if err == nil || !strings.HasPrefix(err.Error(), "the one: ") || end != nil && !errors.Is(err, end) ||
				end == nil && !strings.Contains(err.Error(), "ended although nobody stopped it") {
				t.Errorf("got %v", err)
			}
			assert.Equal(t, "[after stops before stops]", fmt.Sprint(stops(d.all())))
		})
	}
}

func TestAFailureWhileStoppingIsReported(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	d := newDiary()
	g := &Group{}
	g.Add("a", steady(d, "a"))
	g.Add("b", Func(func(ctx context.Context) error {
		d.write("b runs")
		<-ctx.Done()
		return oops
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := run(ctx, g)
	d.await("a runs", "b runs")
	cancel()
	err := <-done
	assert.ErrorIs(t, err, oops)
	assert.True(t, strings.HasPrefix(err.Error(), "b: "), "got %v", err)
}

func TestAServiceThatDoesNotStopIsLeftBehindAfterItsGrace(t *testing.T) {
	t.Parallel()
	d := newDiary()
	release := make(chan struct{})
	gone := make(chan struct{})
	g := &Group{Grace: time.Millisecond}
	g.Add("a", steady(d, "a"))
	g.Add("stuck", Func(func(context.Context) error {
		defer close(gone)
		d.write("stuck runs")
		<-release
		return errors.New("too late")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := run(ctx, g)
	d.await("a runs", "stuck runs")
	cancel()
	assert.NoError(t, <-done)
	assert.Equal(t, "[a stops]", fmt.Sprint(stops(d.all())))
	close(release)
	<-gone // its late end blocks nobody
}

func TestAGroupThatIsToldToStopBeforeItStartsStops(t *testing.T) {
	t.Parallel()
	d := newDiary()
	g := &Group{}
	g.Add("a", steady(d, "a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, g.Run(ctx))
	assert.Equal(t, "[a runs a stops]", fmt.Sprint(d.all()))
	assert.NoError(t, (&Group{}).Run(ctx), "an empty group")
}

func TestServicesSeeTheValuesOfTheGroupsContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	got := make(chan any, 1)
	g := &Group{}
	g.Add("a", Func(func(ctx context.Context) error { got <- ctx.Value(key{}); return nil }))
	_ = g.Run(context.WithValue(t.Context(), key{}, 7))
	assert.Equal(t, 7, <-got)
}

// Groups of many services that end, fail and are stopped all at once always
// come to an end with nothing left running.
func TestManyGroupsUnderStress(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	for round := range 300 {
		var live sync.WaitGroup
		g := &Group{Grace: time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		trigger := make(chan struct{})
		for i := range 12 {
			live.Add(1)
			g.Add(fmt.Sprint(i), Func(func(ctx context.Context) error {
				defer live.Done()
				if (i+round)%5 == 0 {
					select {
					case <-trigger:
						return oops
					case <-ctx.Done():
						return nil
					}
				}
				<-ctx.Done()
				return nil
			}))
		}
		done := run(ctx, g)
		go close(trigger)
		go cancel()
		err := <-done
		require.False(t, err != nil && !errors.Is(err, oops), "%v", err)
		live.Wait()
	}
}
