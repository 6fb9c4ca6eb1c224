package graph

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/graph-gophers/dataloader/v7"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/job"
	"parley/internal/page"
	"parley/internal/store"
)

// loaders join the look-ups of one response, so that a list costs one query
// per field and not one per item. Each is made when it is first used: a
// subscription that waits for its next event has none.
type loaders struct {
	*Resolver
	note         lazy[string, *gen.Note]
	job          lazy[string, *gen.Job]
	translation  lazy[string, *gen.Translation]
	translations lazy[string, []*gen.Translation]
	history      lazy[string, []*gen.Translation]
	attempts     lazy[*gen.Job, []*job.Try]
	waiting      lazy[*gen.Job, bool]
	errors       lazy[string, []*gen.LearnerError]
	dialog       lazy[string, *dialog.Dialog]
	messages     lazy[string, []*dialog.Message]
	// texts counts the bytes of texts in the answer.
	texts atomic.Int64
}

// lazy is a loader that is made when it is first used. What load gives waits
// for the answer.
type lazy[K comparable, V any] struct {
	once   sync.Once
	loader *dataloader.Loader[K, V]
}

// gather is how long a loader waits for more keys.
const gather = time.Millisecond

func (l *lazy[K, V]) load(ctx context.Context, key K, find func() dataloader.BatchFunc[K, V]) dataloader.Thunk[V] {
	l.once.Do(func() { l.loader = dataloader.NewBatchedLoader(find(), dataloader.WithWait[K, V](gather)) })
	return l.loader.Load(ctx, key)
}

type loadersKey struct{}

// Loaders gives every response its own loaders: one that outlived a response
// would show a subscription old rows.
func (r *Resolver) Loaders(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	return next(context.WithValue(ctx, loadersKey{}, &loaders{Resolver: r}))
}

func loadersFrom(ctx context.Context) *loaders {
	l, _ := ctx.Value(loadersKey{}).(*loaders)
	return l
}

func (l *loaders) loadNote(ctx context.Context, id string) dataloader.Thunk[*gen.Note] {
	return l.note.load(ctx, id, func() dataloader.BatchFunc[string, *gen.Note] { return byID("note", l.NoteService.ByID) })
}

func (l *loaders) loadJob(ctx context.Context, id string) dataloader.Thunk[*gen.Job] {
	return l.job.load(ctx, id, func() dataloader.BatchFunc[string, *gen.Job] { return byID("job", l.JobService.ByID) })
}

func (l *loaders) loadTranslation(ctx context.Context, id string) dataloader.Thunk[*gen.Translation] {
	return l.translation.load(ctx, id, func() dataloader.BatchFunc[string, *gen.Translation] {
		return byID("translation", l.NoteService.TranslationsByID)
	})
}

func (l *loaders) loadAttempts(ctx context.Context, j *gen.Job) dataloader.Thunk[[]*job.Try] {
	return l.attempts.load(ctx, j, func() dataloader.BatchFunc[*gen.Job, []*job.Try] { return batch(l.JobService.AttemptsOf, idOfJob) })
}

func (l *loaders) loadWaiting(ctx context.Context, j *gen.Job) dataloader.Thunk[bool] {
	return l.waiting.load(ctx, j, func() dataloader.BatchFunc[*gen.Job, bool] { return batch(l.JobService.WaitingOf, idOfJob) })
}

// loadTranslations uses what a cached note brought along.
func (l *loaders) loadTranslations(ctx context.Context, n *gen.Note, history bool) dataloader.Thunk[[]*gen.Translation] {
	if !history && n.Edges.Translations != nil {
		return func() ([]*gen.Translation, error) { return n.Edges.Translations, nil }
	}
	one := &l.translations
	if history {
		one = &l.history
	}
	return one.load(ctx, n.ID, func() dataloader.BatchFunc[string, []*gen.Translation] {
		return batch(func(ctx context.Context, notes []string) (map[string][]*gen.Translation, error) {
			return l.NoteService.Translations(ctx, notes, history)
		}, itself)
	})
}

func (l *loaders) loadErrors(ctx context.Context, u *gen.Utterance) dataloader.Thunk[[]*gen.LearnerError] {
	return l.errors.load(ctx, u.ID, func() dataloader.BatchFunc[string, []*gen.LearnerError] {
		return batch(l.PracticeService.Errors, itself)
	})
}

// loadDialog gives nil for a dialog that is gone or that the viewer may not see.
func (l *loaders) loadDialog(ctx context.Context, id string) dataloader.Thunk[*dialog.Dialog] {
	return l.dialog.load(ctx, id, func() dataloader.BatchFunc[string, *dialog.Dialog] {
		return batch(l.DialogService.ByID, itself)
	})
}

func (l *loaders) loadMessages(ctx context.Context, d *dialog.Dialog) dataloader.Thunk[[]*dialog.Message] {
	return l.messages.load(ctx, d.ID, func() dataloader.BatchFunc[string, []*dialog.Message] {
		return batch(l.DialogService.Messages, itself)
	})
}

// maxTexts bounds the texts of one answer, in bytes. Aliases can ask for the same
// texts again and again, which costs the database little and memory a lot.
const maxTexts = 32 << 20

// spend counts texts that go into the answer.
func (l *loaders) spend(bytes int) error {
	if l.texts.Add(int64(bytes)) > maxTexts {
		return apperr.New(apperr.TooLarge, "The texts of this answer have more than %d MiB: ask for less at a time.", maxTexts>>20)
	}
	return nil
}

// texts counts the texts of rows and passes rows and error on.
func texts[T any](ctx context.Context, rows []T, err error, size func(T) int) ([]T, error) {
	if err != nil {
		return nil, err
	}
	total := 0
	for _, r := range rows {
		total += size(r)
	}
	return rows, loadersFrom(ctx).spend(total)
}

// spendPage counts the texts of a page and passes an error on.
func spendPage[T any](ctx context.Context, p *page.Page[T], err error, size func(T) int) error {
	if err != nil {
		return err
	}
	total := 0
	for _, e := range p.Edges {
		total += size(e.Node)
	}
	return loadersFrom(ctx).spend(total)
}

func itself(id string) string   { return id }
func idOfJob(j *gen.Job) string { return j.ID }

// batch makes a loader's function of one that gives what it found by id; what
// it did not find is the zero value.
func batch[K comparable, V any](find func(context.Context, []K) (map[string]V, error), id func(K) string) dataloader.BatchFunc[K, V] {
	return func(ctx context.Context, keys []K) []*dataloader.Result[V] {
		found, err := find(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, k := range keys {
			results[i] = &dataloader.Result[V]{Data: found[id(k)], Error: err}
		}
		return results
	}
}

// byID is batch for objects: what is not there is NOT_FOUND.
func byID[T any](kind string, find func(context.Context, []string) (map[string]*T, error)) dataloader.BatchFunc[string, *T] {
	return func(ctx context.Context, ids []string) []*dataloader.Result[*T] {
		results := batch(find, itself)(ctx, ids)
		for _, r := range results {
			if r.Error == nil && r.Data == nil {
				r.Error = store.Found(&gen.NotFoundError{}, kind)
			}
		}
		return results
	}
}
