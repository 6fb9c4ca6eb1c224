package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/graph-gophers/dataloader/v7"

	"parley/ent/gen"
	"parley/internal/note"
	"parley/internal/store"
)

// loaders join the look-ups of one response, so that a list costs one query
// per field and not one per item.
type loaders struct {
	translations *dataloader.Loader[string, []*gen.Translation]
	history      *dataloader.Loader[string, []*gen.Translation]
	translation  *dataloader.Loader[string, *gen.Translation]
}

type loadersKey struct{}

// gather is how long a loader waits for more keys.
const gather = time.Millisecond

// Loaders gives every response its own loaders: one that outlived a response
// would show a subscription old rows.
func (r *Resolver) Loaders(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	return next(context.WithValue(ctx, loadersKey{}, &loaders{
		translations: dataloader.NewBatchedLoader(translationsOf(r.NoteService, false), dataloader.WithWait[string, []*gen.Translation](gather)),
		history:      dataloader.NewBatchedLoader(translationsOf(r.NoteService, true), dataloader.WithWait[string, []*gen.Translation](gather)),
		translation:  dataloader.NewBatchedLoader(translationByID(r.NoteService), dataloader.WithWait[string, *gen.Translation](gather)),
	}))
}

func loadersFrom(ctx context.Context) *loaders {
	l, _ := ctx.Value(loadersKey{}).(*loaders)
	return l
}

// loadTranslations uses what a cached note brought along.
func loadTranslations(ctx context.Context, n *gen.Note, history bool) ([]*gen.Translation, error) {
	switch {
	case history:
		return loadersFrom(ctx).history.Load(ctx, n.ID)()
	case n.Edges.Translations != nil:
		return n.Edges.Translations, nil
	}
	return loadersFrom(ctx).translations.Load(ctx, n.ID)()
}

func translationsOf(notes *note.Service, history bool) dataloader.BatchFunc[string, []*gen.Translation] {
	return func(ctx context.Context, ids []string) []*dataloader.Result[[]*gen.Translation] {
		byNote, err := notes.Translations(ctx, ids, history)
		results := make([]*dataloader.Result[[]*gen.Translation], len(ids))
		for i, id := range ids {
			results[i] = &dataloader.Result[[]*gen.Translation]{Data: byNote[id], Error: err}
		}
		return results
	}
}

func translationByID(notes *note.Service) dataloader.BatchFunc[string, *gen.Translation] {
	return func(ctx context.Context, ids []string) []*dataloader.Result[*gen.Translation] {
		byID, err := notes.TranslationsByID(ctx, ids)
		results := make([]*dataloader.Result[*gen.Translation], len(ids))
		for i, id := range ids {
			results[i] = &dataloader.Result[*gen.Translation]{Data: byID[id], Error: err}
			if err == nil && byID[id] == nil {
				results[i].Error = store.Found(&gen.NotFoundError{}, "translation")
			}
		}
		return results
	}
}
