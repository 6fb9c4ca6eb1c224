package app

import (
	"context"
	"path/filepath"

	"parley/internal/event"
	"parley/internal/indexing"
	"parley/internal/lifecycle"
	"parley/internal/live"
)

// openIndexing opens the search indexes and their place in memory, which is filled once
// the process runs.
func (p *parts) openIndexing() (err error) {
	p.indexing, err = indexing.New(p.store, p.log, p.jobs, p.workers, indexing.Config{
		Sources: p.sources(), Model: p.cfg.SearchModel, Embed: p.embedQuery,
		Queries: p.usedQueries, Judgements: p.judgements,
	})
	if err != nil {
		return err
	}
	p.follower = &indexing.Follower{Service: p.indexing, Listen: p.listenForVectors, Folder: filepath.Join(p.cfg.Data, "vectors")}
	return nil
}

// embedQuery gives the vector of a query with the model of a digest.
func (p *parts) embedQuery(ctx context.Context, digest, text string) ([]float32, error) {
	v, err := p.vectors.Text(ctx, digest, text)
	return v.Values, err
}

func (p *parts) listenForVectors(wake func()) (stop func()) {
	all := []string{indexing.Audience}
	return p.hub.Listen(all, all, live.Listener{Event: func(event.Event) { wake() }, Lost: wake})
}

// addIndexing adds what keeps vectors current. It comes behind the hub, which it listens to.
func (p *parts) addIndexing(group *lifecycle.Group) {
	group.Add("vectors in memory", p.follower)
	group.Add("search indexes", &indexing.Keeper{Service: p.indexing, Listen: p.listenForVectors, Follower: p.follower})
}
