package worker

import "sync"

// rememberedEnds is how many finished attempts a worker remembers, for messages
// that come again because their acknowledgement was lost.
const rememberedEnds = 4096

// registry knows the tasks that run and the attempts that lately ended.
type registry struct {
	mu    sync.Mutex
	tasks map[string]*task
	ended map[string]struct{}
	order [rememberedEnds]string
	next  int
}

// What became of a task that wanted to begin.
type admission int

const (
	// admitted: it may run.
	admitted admission = iota
	// joined: the attempt runs here already and goes on under the new message.
	joined
	// outdated: the attempt has ended, or a newer one at the run is here.
	outdated
)

func newRegistry() *registry {
	return &registry{tasks: map[string]*task{}, ended: map[string]struct{}{}}
}

// admit registers t, unless its attempt is known here. An older attempt at the
// same run is told to end.
func (r *registry) admit(t *task) admission {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, over := r.ended[t.job.MessageID()]; over {
		return outdated
	}
	if present := r.tasks[t.job.Run]; present != nil {
		switch {
		case present.job.Attempt > t.job.Attempt:
			return outdated
		case present.job.Attempt == t.job.Attempt:
			present.adopt(t.delivery)
			return joined
		}
		present.cancel(errSuperseded)
	}
	r.tasks[t.job.Run] = t
	return admitted
}

// remove takes t out; reported says that its end is known on RESULTS, so that
// the same attempt need not run here again.
func (r *registry) remove(t *task, reported bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks[t.job.Run] == t {
		delete(r.tasks, t.job.Run)
	}
	if !reported {
		return
	}
	id := t.job.MessageID()
	delete(r.ended, r.order[r.next])
	r.order[r.next] = id
	r.ended[id] = struct{}{}
	r.next = (r.next + 1) % rememberedEnds
}

// get gives the run's task or nil.
func (r *registry) get(run string) *task {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tasks[run]
}

func (r *registry) all() []*task {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*task, 0, len(r.tasks))
	for _, t := range r.tasks {
		list = append(list, t)
	}
	return list
}

func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tasks)
}
