package note_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/note"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// onCaches runs a test on both databases with each cache, and without one.
func onCaches(t *testing.T, test func(t *testing.T, s *store.Store, c cache.Cache)) {
	t.Helper()
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) cache.Cache{
		"memory": func(*testing.T) cache.Cache { return cache.NewMemory(8 << 20) },
		"redis": func(t *testing.T) cache.Cache {
			c, err := cache.OpenRedis(t.Context(), testkit.Redis(t))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			return c
		},
		"off": func(*testing.T) cache.Cache { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, s, open(t)) })
		})
	}
}

// A process of an earlier version may share the cache.
func TestACachedNoteWithoutAFormatIsReadAnew(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		c := cache.NewMemory(8 << 20)
		r := newRoom(t, s, c)
		n := r.english("a")
		old := []byte(`{"note": {"id": "` + n.ID + `", "owner_id": "` + owner + `", "title": "without a format", "revision": 1}}`)
		require.NoError(t, c.Put(t.Context(), "note:"+n.ID, n.Revision, old, time.Minute))
		got := r.read(n)
		require.Equal(t, "a", got.Title)
		require.Equal(t, note.FormatText, got.Format)
	})
}

// Pollers read a note while it is edited and translated. What a poller read
// once, from the database or from the cache, it never reads older again.
func TestN3CachedReadsAreNeverOlderThanWhatWasDelivered(t *testing.T) {
	onCaches(t, func(t *testing.T, s *store.Store, c cache.Cache) {
		r := newRoom(t, s, c)
		r.announce(mini()...)
		n := r.english("a")
		ctx, stop := context.WithCancel(as(t, owner))
		defer stop()
		var pollers sync.WaitGroup
		var delivered, reads atomic.Int64
		for range 3 {
			pollers.Go(func() {
				for ctx.Err() == nil {
					least := delivered.Load()
					got, err := r.Get(ctx, n.ID)
					if err != nil {
						assert.Error(t, ctx.Err(), "%v", err)
						return
					}
					reads.Add(1)
					newest := got.Revision
					for _, tr := range got.Edges.Translations {
						newest = max(newest, tr.Version)
					}
					if newest < least {
						t.Errorf("read revision %d after %d was delivered", newest, least)
						return
					}
					for now := delivered.Load(); newest > now && !delivered.CompareAndSwap(now, newest); now = delivered.Load() {
						continue
					}
				}
			})
		}
		for i := range 15 {
			j := r.translate(n, "es")[0]
			r.finish(j, "uno")
			// The hub reads the database, not the cache.
			tr, err := r.Translation(as(t, owner), j.SubjectID)
			require.NoError(t, err)
			for now := delivered.Load(); tr.Version > now && !delivered.CompareAndSwap(now, tr.Version); now = delivered.Load() {
				continue
			}
			require.Equal(t, "READY", r.states(n)["es"])
			r.edit(n, note.UpdateNoteInput{Text: ptr("Text number " + string(rune('a'+i)) + ".")})
			require.Equal(t, "STALE", r.states(n)["es"])
		}
		stop()
		pollers.Wait()
		require.Positive(t, reads.Load())
	})
}

// slowPut is a cache whose next Put waits.
type slowPut struct {
	cache.Cache
	reached, goOn chan struct{}
	once          sync.Once
}

func (c *slowPut) Put(ctx context.Context, key string, version int64, value []byte, ttl time.Duration) error {
	c.once.Do(func() {
		close(c.reached)
		<-c.goOn
	})
	return c.Cache.Put(ctx, key, version, value, ttl)
}

// The race that the original lost in up to 38 % of its jobs: a read misses and
// loads the old row, the worker's result is committed and the cache told, then
// the read stores the old row.
func TestN3OldRowIsNotStoredOverANewResult(t *testing.T) {
	onCaches(t, func(t *testing.T, s *store.Store, c cache.Cache) {
		if c == nil {
			return
		}
		slow := &slowPut{Cache: c, reached: make(chan struct{}), goOn: make(chan struct{})}
		r := newRoom(t, s, slow)
		r.announce(mini()...)
		n := r.english("a")
		j := r.translate(n, "es")[0]
		var reading sync.WaitGroup
		reading.Go(func() {
			_, err := r.Get(as(t, owner), n.ID)
			assert.NoError(t, err)
		})
		<-slow.reached
		r.finish(j, "uno")
		close(slow.goOn)
		reading.Wait()
		require.Equal(t, "READY", r.states(n)["es"])
		require.Equal(t, "READY", r.states(n)["es"], "and from the cache")
	})
}

func TestReadsComeFromTheCacheUntilSomethingChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		r.read(n)
		_, err := r.store.Exec(t.Context(), "UPDATE notes SET title = 'behind the back'")
		require.NoError(t, err)
		require.Equal(t, "a", r.read(n).Title)
		require.NoError(t, r.Invalidate(t.Context(), []event.Event{
			{Type: note.TypeNoteChanged, Object: n.ID, Version: n.Revision + 1},
			{Type: job.TypeJobChanged, Object: "job_x", Parent: n.ID, Version: 99},
		}))
		require.Equal(t, "behind the back", r.read(n).Title)
	})
}

func TestCachedNoteIsTheSameAsTheLoaded(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		r.finish(r.translate(n, "es")[0], "uno")
		loaded, cached := r.read(n), r.read(n)
		plain, err := r.Load(as(t, owner), n.ID)
		require.NoError(t, err)
		for _, got := range []*gen.Note{loaded, cached} {
			require.Equal(t, plain.Title, got.Title)
			require.Equal(t, plain.Text, got.Text)
			require.Equal(t, plain.Version, got.Version)
			require.Equal(t, plain.Revision, got.Revision)
			require.True(t, plain.CreatedAt.Equal(got.CreatedAt))
			require.Len(t, got.Edges.Translations, 1)
			require.Equal(t, "uno", *got.Edges.Translations[0].Text)
			require.Equal(t, owner, got.OwnerID)
		}
	})
}

func TestCacheOfADeletedNoteIsEmpty(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		r.read(n)
		_, err := r.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		_, err = r.Get(as(t, owner), n.ID)
		refused(t, err, apperr.NotFound)
	})
}

// deaf is a cache that answers nothing.
type deaf struct{ cache.Cache }

var errDeaf = errors.New("the cache is away")

func (deaf) Get(context.Context, string) ([]byte, bool, error) { return nil, false, errDeaf }
func (deaf) Put(context.Context, string, int64, []byte, time.Duration) error {
	return errDeaf
}
func (deaf) Invalidate(context.Context, string, int64) error { return errDeaf }

func TestNotesWorkWithoutTheirCache(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, deaf{})
		r.announce(mini()...)
		n := r.english("a")
		j := r.translate(n, "es")[0]
		r.finish(j, "uno")
		require.Equal(t, "READY", r.states(n)["es"])
		require.ErrorIs(t, r.Invalidate(t.Context(), []event.Event{{Type: note.TypeNoteChanged, Object: n.ID, Version: 9}}), errDeaf, "so that the relay tries again")
	})
}

func TestHistoryAndNewestComeInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		for range 3 {
			r.translate(n, "fr", "es")
			n = r.edit(n, note.UpdateNoteInput{Text: ptr(n.Text + "!")})
		}
		all, err := r.Translations(as(t, owner), []string{n.ID}, true)
		require.NoError(t, err)
		var got []string
		for _, tr := range all[n.ID] {
			got = append(got, tr.Language+string(rune('0'+tr.TextVersion)))
		}
		require.Equal(t, []string{"es3", "es2", "es1", "fr3", "fr2", "fr1"}, got)
		newest, err := r.Translations(as(t, owner), []string{n.ID}, false)
		require.NoError(t, err)
		require.Len(t, newest[n.ID], 2)
		require.Equal(t, 3, newest[n.ID][0].TextVersion)
		byID, err := r.TranslationsByID(auth.System(t.Context(), "test"), []string{all[n.ID][0].ID, store.NewID("tr")})
		require.NoError(t, err)
		require.Len(t, byID, 1)
	})
}
