package fault

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// fleet is API processes behind a proxy with a worker.
type fleet struct {
	*process.Cluster
	t        testing.TB
	proxy    *proxy
	replicas []*replica
	nats     chan struct{}
	device   *listener
	repairs  sync.WaitGroup

	mu     sync.Mutex
	struck map[kind]int
}

// replica is an API process. Who holds its token may break it.
type replica struct {
	*process.Process
	whole chan struct{}
}

func token() chan struct{} {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	return c
}

// newFleet starts n API processes and a worker.
func newFleet(t testing.TB, n int) *fleet {
	t.Helper()
	c := process.NewCluster(t, "PARLEY_LOG_LEVEL=info", "PARLEY_GRACE=2s", "PARLEY_ACCESS_LIFETIME=2h", "PARLEY_MAX_ATTEMPTS=100")
	f := &fleet{Cluster: c, t: t, nats: token(), struck: map[kind]int{}}
	var urls []string
	for range n {
		r := &replica{c.API(), token()}
		f.replicas = append(f.replicas, r)
		urls = append(urls, r.URL)
	}
	c.Worker()
	f.proxy = newProxy(t, urls...)
	t.Cleanup(f.repairs.Wait)
	return f
}

// strike does what a fault says. What it breaks is repaired at once, on another
// goroutine; a process that is still under repair is waited for.
func (f *fleet) strike(x fault) {
	f.mu.Lock()
	f.struck[x.kind]++
	f.mu.Unlock()
	switch x.kind {
	case cutOne, freezeOne:
		if sockets := f.proxy.lasting(x.kind == cutOne); len(sockets) > 0 {
			chosen := sockets[x.target%len(sockets)]
			if x.kind == freezeOne {
				chosen.freeze()
			} else {
				chosen.cut(x.reset)
			}
		}
	case cutEvery:
		f.proxy.cutAll(x.reset)
	case killAPI:
		f.end(x.target, syscall.SIGKILL)
	case termAPI:
		f.end(x.target, syscall.SIGTERM)
	case killNATS:
		<-f.nats
		f.NATS.Kill()
		f.repairs.Go(func() {
			f.NATS.Restart()
			f.nats <- struct{}{}
		})
	case killDevice:
		f.device.kill()
		f.device.start()
	}
}

func (f *fleet) end(target int, signal os.Signal) {
	r := f.replicas[target%len(f.replicas)]
	<-r.whole
	f.repairs.Go(func() {
		err := r.End(signal)
		if signal == syscall.SIGTERM {
			err = errors.Join(err, r.Err())
		}
		assert.NoError(f.t, err, "an API process")
		assert.NoError(f.t, r.revive(), "an API process")
		r.whole <- struct{}{}
	})
}

// revive starts the process again and again, as a supervisor does: one that
// starts while NATS is away says so and ends.
func (r *replica) revive() error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for until := time.Now().Add(gqlclient.Patience); ; {
		<-pause.C
		err := r.Revive()
		if err == nil || time.Now().After(until) {
			return err
		}
		pause.Reset(200 * time.Millisecond)
	}
}
