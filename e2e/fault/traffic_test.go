package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// traffic is a user's writers, who never give up a call, and the count of the
// calls that were acknowledged.
type traffic struct {
	t      testing.TB
	user   *user
	ctx    context.Context
	stop   context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex
	more   chan struct{}
	acked  int
	vain   int
	failed bool
}

// writers is how many calls are under way at once.
const writers = 4

// startTraffic begins to write as a user at a server, about perSecond calls each
// second, until halt.
func startTraffic(t testing.TB, u *user, url string, seed uint64, perSecond int) *traffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &traffic{t: t, user: u.at(url), ctx: ctx, stop: stop, more: make(chan struct{})}
	pace := time.NewTicker(time.Second / time.Duration(perSecond))
	for n := range writers {
		w.all.Go(func() { w.write(rand.New(rand.NewPCG(seed, uint64(n)+1)), n, pace.C) })
	}
	t.Cleanup(func() {
		stop()
		w.all.Wait()
		pace.Stop()
	})
	return w
}

// write makes notes, edits them and has some of them translated.
func (w *traffic) write(rng *rand.Rand, writer int, pace <-chan time.Time) {
	var notes []string
	for n := 0; ; n++ {
		select {
		case <-pace:
		case <-w.ctx.Done():
			return
		}
		var vain int
		var err error
		switch chance := rng.IntN(100); {
		case len(notes) == 0 || chance < 15:
			var id string
			if id, vain, err = w.user.createNote(w.ctx, fmt.Sprintf("House %d of street %d is old.", n, writer)); err == nil {
				notes = append(notes, id)
			}
		case chance < 30:
			_, vain, err = w.user.translate(w.ctx, notes[len(notes)-1], fmt.Sprintf("writer-%d-call-%d", writer, n))
		default:
			vain, err = w.user.retitle(w.ctx, notes[rng.IntN(len(notes))], fmt.Sprintf("Edit %d", n))
		}
		if !w.count(vain, err) {
			return
		}
	}
}

func (w *traffic) count(vain int, err error) (goOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vain += vain
	if err == nil {
		w.acked++
	} else if w.ctx.Err() == nil {
		w.t.Errorf("a mutation failed: %v", err)
		w.failed = true
	}
	close(w.more)
	w.more = make(chan struct{})
	return err == nil
}

// reached waits until n calls were acknowledged; false says that a call failed.
func (w *traffic) reached(n int) bool {
	for {
		w.mu.Lock()
		acked, failed, more := w.acked, w.failed, w.more
		w.mu.Unlock()
		if failed || acked >= n {
			return !failed
		}
		<-more
	}
}

// halt ends the writing; calls that are under way may have been committed.
func (w *traffic) halt() (acked, vain int) {
	w.stop()
	w.all.Wait()
	return w.acked, w.vain
}
