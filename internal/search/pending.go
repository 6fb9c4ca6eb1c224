package search

import "sync"

// maxPending is from how many changes on everything is read anew.
const maxPending = 10_000

// pending gathers what changed while a reading is under way.
type pending struct {
	mu   sync.Mutex
	ids  map[string]bool
	all  bool
	news chan struct{}
}

func newPending() *pending { return &pending{ids: map[string]bool{}, news: make(chan struct{}, 1)} }

func (p *pending) add(id string) {
	p.mu.Lock()
	if len(p.ids) >= maxPending {
		p.all, p.ids = true, map[string]bool{}
	}
	if !p.all {
		p.ids[id] = true
	}
	p.mu.Unlock()
	p.tell()
}

func (p *pending) lose() {
	p.mu.Lock()
	p.all, p.ids = true, map[string]bool{}
	p.mu.Unlock()
	p.tell()
}

func (p *pending) tell() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// take gives what changed since the last call; all says that it may be anything.
func (p *pending) take() (ids []string, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.ids {
		ids = append(ids, id)
	}
	all = p.all
	p.ids, p.all = map[string]bool{}, false
	return ids, all
}
