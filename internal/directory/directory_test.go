package directory

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// house is a directory on one database.
type house struct {
	*Directory
	t *testing.T
}

// onBoth runs a test with a directory of its own on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, h house)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, house{New(s), t}) })
}

// announce says that a worker has the bundles, in its pool.
func (h house) announce(worker, pool string, bundles ...string) {
	h.t.Helper()
	a := jobspec.Announcement{Worker: worker, At: time.Now()}
	for _, b := range bundles {
		a.Bundles = append(a.Bundles, jobspec.Bundle{Name: b, Pool: pool})
	}
	require.NoError(h.t, h.Announce(h.t.Context(), a))
}

// leave makes a worker's last announcement that old, behind the directory's back.
func (h house) leave(worker string, ago time.Duration) {
	h.t.Helper()
	n, err := h.store.Exec(h.t.Context(), "UPDATE worker_announcements SET seen_at = ? WHERE id = ?", store.Now().Add(-ago), worker)
	require.NoError(h.t, err)
	require.Equal(h.t, int64(1), n)
}

// fresh is what another process finds, which has read nothing yet.
func (h house) fresh() house { return house{New(h.store), h.t} }

func (h house) names() []string {
	h.t.Helper()
	workers, err := h.Workers(h.t.Context())
	require.NoError(h.t, err)
	ids := []string{}
	for _, w := range workers {
		ids = append(ids, w.ID)
	}
	return ids
}

// pool is where work for the bundle goes, as far as is known.
func (h house) pool(bundle string) string {
	return h.Pool(func(bundles []jobspec.Bundle) string {
		for _, b := range bundles {
			if b.Name == bundle {
				return b.Pool
			}
		}
		return ""
	})
}

func TestTheLastAnnouncementOfAWorkerIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		require.Empty(t, h.names(), "nobody announced anything yet")
		h.announce("w", "pool", "x", "y")
		h.announce("w", "other", "z")
		for _, d := range []house{h, h.fresh()} {
			workers, err := d.Workers(t.Context())
			require.NoError(t, err)
			require.Len(t, workers, 1)
			require.Equal(t, "w", workers[0].ID)
			require.Equal(t, []jobspec.Bundle{{Name: "z", Pool: "other"}}, workers[0].Bundles)
			require.True(t, workers[0].Alive())
		}
	})
}

func TestAnAnnouncementThatWasRolledBackIsNoNews(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("w", "pool", "x")
		require.Equal(t, []string{"w"}, h.names())
		before := h.news.Load()
		undo := errors.New("undo")
		err := h.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
			require.NoError(t, h.Announce(ctx, jobspec.Announcement{Worker: "never"}))
			return undo
		})
		require.ErrorIs(t, err, undo)
		require.Equal(t, before, h.news.Load())
		require.Equal(t, []string{"w"}, h.fresh().names())
	})
}

func TestAnnouncementsOfTheLongGoneAreForgottenButNotTheLast(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("old", "pool", "x")
		h.leave("old", 2*time.Hour)
		require.Equal(t, []string{"old"}, h.fresh().names(), "the last one is kept, however old")
		h.announce("new", "pool", "y")
		require.Equal(t, []string{"new"}, h.fresh().names())
		h.leave("new", 59*time.Minute)
		h.announce("newer", "pool", "y")
		require.Equal(t, []string{"newer", "new"}, h.fresh().names(), "the newest first")
	})
}

func TestBundlesOfTheLivingComeFirstAndThoseOfTheGoneAfterThem(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("gone", "pool", "a")
		h.announce("living", "pool", "b")
		h.leave("gone", 2*alive)
		bundles, err := h.fresh().Bundles(t.Context())
		require.NoError(t, err)
		require.Equal(t, []jobspec.Bundle{{Name: "b", Pool: "pool"}, {Name: "a", Pool: "pool"}}, bundles)
	})
}

func TestAPoolOfTheLivingIsPreferredToOneOfTheGone(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		require.Empty(t, h.pool("x"), "nothing was read yet")
		h.announce("gone", "gone-pool", "x", "only")
		h.announce("living", "living-pool", "x")
		h.leave("gone", 2*alive)
		d := h.fresh()
		require.Equal(t, []string{"living", "gone"}, d.names())
		require.Equal(t, "living-pool", d.pool("x"))
		require.Equal(t, "gone-pool", d.pool("only"), "it may come back")
		require.Empty(t, d.pool("nobody's"))
	})
}

func TestOnlyLivingWorkersTakeWorkAndOnlyFromPoolsWithAName(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("gone", "gone-pool", "x")
		h.announce("living", "living-pool", "x", "y")
		h.announce("nameless", "", "x")
		h.leave("gone", 2*alive)
		pools, err := h.fresh().LivingPools(t.Context())
		require.NoError(t, err)
		require.True(t, pools["living-pool"])
		require.False(t, pools["gone-pool"])
		require.False(t, pools[""], "a run without a pool waits for nobody")
	})
}

func TestAnAnnouncementMakesTheNextReaderLookAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("a", "pool", "x")
		require.Equal(t, []string{"a"}, h.names())
		h.fresh().announce("b", "pool", "x") // by another process: this one hears nothing
		h.leave("a", time.Minute)            // so that the order is known
		known := h.known.Load()
		known.read = time.Now() // however busy the machine, a copy less than a second old
		require.Equal(t, []string{"a"}, h.names(), "read a moment ago")
		h.announce("c", "pool", "x")
		require.Equal(t, []string{"c", "b", "a"}, h.names())
	})
}

func TestACopyOfMoreThanASecondIsReadAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("a", "pool", "x")
		require.Equal(t, []string{"a"}, h.names())
		h.fresh().announce("b", "pool", "x")
		h.leave("a", time.Minute)
		h.known.Load().read = time.Now().Add(-time.Second)
		require.Equal(t, []string{"b", "a"}, h.names())
	})
}

// Whoever reads inside a transaction holds a connection, and the one who looks
// again may wait for just that.
func TestReadersDoNotWaitForTheOneWhoLooksAgainWhileThereIsAnOlderCopy(t *testing.T) {
	t.Parallel()
	h := house{New(nil), t}
	old, newer := []Worker{{ID: "old"}}, []Worker{{ID: "newer"}}
	got, err := h.get(func() ([]Worker, error) { return old, nil })
	require.NoError(t, err)
	require.Equal(t, old, got)
	h.forget()

	looking, release, read := make(chan struct{}), make(chan struct{}), make(chan []Worker)
	go func() {
		slow, _ := h.get(func() ([]Worker, error) {
			close(looking)
			<-release
			return newer, nil
		})
		read <- slow
	}()
	<-looking
	got, err = h.get(func() ([]Worker, error) { return nil, errors.New("two look at once") })
	require.NoError(t, err)
	require.Equal(t, old, got)
	close(release)
	require.Equal(t, newer, <-read)
	got, err = h.get(func() ([]Worker, error) { return nil, errors.New("nothing is new") })
	require.NoError(t, err)
	require.Equal(t, newer, got)
}

func TestWhatIsAnnouncedWhileSomebodyLooksIsLookedForAgain(t *testing.T) {
	t.Parallel()
	h := house{New(nil), t}
	_, err := h.get(func() ([]Worker, error) {
		h.forget() // after the rows were read, before they are kept
		return nil, nil
	})
	require.NoError(t, err)
	newer := []Worker{{ID: "newer"}}
	got, err := h.get(func() ([]Worker, error) { return newer, nil })
	require.NoError(t, err)
	require.Equal(t, newer, got)
}

func TestAFailedLookLeavesTheOlderCopyAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := house{New(nil), t}
	old := []Worker{{ID: "old"}}
	_, err := h.get(func() ([]Worker, error) { return old, nil })
	require.NoError(t, err)
	h.forget()
	broken := errors.New("broken")
	_, err = h.get(func() ([]Worker, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
	require.Equal(t, old, h.last(), "work is routed by what was known")
	newer := []Worker{{ID: "newer"}}
	got, err := h.get(func() ([]Worker, error) { return newer, nil })
	require.NoError(t, err)
	require.Equal(t, newer, got)
}

func TestLookingForWorkersInATransactionWaitsForNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("w", "pool", "x")
		require.Equal(t, []string{"w"}, h.names())
		h.announce("w", "pool", "x")
		require.NoError(t, h.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
			bundles, err := h.Bundles(ctx)
			require.Len(t, bundles, 1)
			return err
		}))
	})
}

func TestARowThatIsNoAnnouncementIsAnErrorThatNamesItsWorker(t *testing.T) {
	onBoth(t, func(t *testing.T, h house) {
		h.announce("fine", "pool", "x")
		h.announce("strange", "pool", "x")
		_, err := h.store.Exec(t.Context(), `UPDATE worker_announcements SET announcement = '{"bundles": 7}' WHERE id = 'strange'`)
		require.NoError(t, err)
		d := h.fresh()
		for name, look := range map[string]func() error{
			"workers": func() error { _, err := d.Workers(t.Context()); return err },
			"bundles": func() error { _, err := d.Bundles(t.Context()); return err },
			"pools":   func() error { _, err := d.LivingPools(t.Context()); return err },
		} {
			require.ErrorContains(t, look(), "read the announcement of strange", name)
		}
	})
}
