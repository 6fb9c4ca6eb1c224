package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"parley/internal/event"
	"parley/internal/indexing"
	"parley/internal/lifecycle"
	"parley/internal/live"
	"parley/internal/vector/pgvector"
)

// openIndexing opens the search indexes and their place, in memory or in a database of
// vectors, which is filled once the process runs.
func (p *parts) openIndexing(ctx context.Context) (err error) {
	cfg := indexing.Config{
		Sources: p.sources(), Model: p.cfg.SearchModel, Embed: p.embedQuery,
		Queries: p.usedQueries, Judgements: p.judgements,
	}
	p.follower = &indexing.Follower{Listen: p.listenForVectors, Folder: filepath.Join(p.cfg.Data, "vectors")}
	if p.cfg.VectorsURL != "" {
		cfg.MaxDimensions = pgvector.MaxDimension
		if p.follower.Shared, err = p.openVectors(ctx); err != nil {
			return err
		}
	}
	p.indexing, err = indexing.New(p.store, p.log, p.jobs, p.workers, cfg)
	p.follower.Service = p.indexing
	return err
}

// openVectors opens the database of vectors. It refuses one without pgvector; one that is
// away may come back.
func (p *parts) openVectors(ctx context.Context) (*sql.DB, error) {
	db, err := sql.Open("pgx", p.cfg.VectorsURL)
	if err != nil {
		return nil, errors.New("vectors-url: it is no address of PostgreSQL") // the error would show a password
	}
	db.SetMaxOpenConns(p.cfg.DBConns)
	db.SetMaxIdleConns(p.cfg.DBConns)
	p.onClose(db.Close)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	switch err := pgvector.Check(ctx, db); {
	case errors.Is(err, pgvector.ErrNoExtension):
		return nil, fmt.Errorf("vectors-url: %w", err)
	case err != nil:
		slog.Warn("the database of vectors-url does not answer, words alone are searched until it does", "error", err)
	}
	return db, nil
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
