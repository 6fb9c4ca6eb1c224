package resume_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/resume"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const (
	operation = "5f0c7c2e-41d4-4ad6-9d0e-0a1b2c3d4e5f"
	another   = "6f0c7c2e-41d4-4ad6-9d0e-0a1b2c3d4e5f"
)

var (
	viewer   = auth.Viewer{ID: "user_a", Role: auth.RoleUser, Session: "sess_1"}
	stranger = auth.Viewer{ID: "user_b", Role: auth.RoleUser, Session: "sess_2"}
	machine  = auth.Viewer{ID: "user_a", Role: auth.RoleService, Key: "key_1"}
)

// room is a book of a log with ten events.
type room struct {
	*resume.Book
	t   *testing.T
	log *event.Log
	s   *store.Store
}

func onBoth(t *testing.T, cfg resume.Config, test func(t *testing.T, r *room)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		log, err := event.Open(t.Context(), s)
		require.NoError(t, err)
		require.NoError(t, s.Tx(t.Context(), func(ctx context.Context) error {
			for i := range 10 {
				if err := log.Append(ctx, event.Change{Audience: event.User(viewer.ID), Topic: "T", Type: "T", Object: fmt.Sprint(i)}); err != nil {
					return err
				}
			}
			return nil
		}))
		_, err = log.Position(t.Context(), 100)
		require.NoError(t, err)
		test(t, &room{resume.NewBook(s, log, cfg), t, log, s})
	})
}

func (r *room) at(position int64) event.Cursor { return r.log.Cursor(position) }

// begin gives where a stream begins: -1 for the present, -2 for a position that
// the log does not have.
func (r *room) begin(ctx context.Context, v auth.Viewer, ask resume.Ask) int64 {
	r.t.Helper()
	ask.Head, ask.FromHead = r.at(10), true
	from, err := r.Begin(ctx, v, ask)
	require.NoError(r.t, err)
	switch {
	case from == nil:
		return -1
	case from.Epoch != r.log.Epoch():
		return -2
	}
	return from.Position
}

func (r *room) ack(v auth.Viewer, key string, upTo event.Cursor) (event.Cursor, error) {
	return r.Ack(auth.With(r.t.Context(), v), resume.AckInput{ResumeKey: key, UpTo: upTo})
}

func (r *room) acked(v auth.Viewer, key string, position int64) int64 {
	r.t.Helper()
	at, err := r.ack(v, key, r.at(position))
	require.NoError(r.t, err)
	require.Equal(r.t, r.log.Epoch(), at.Epoch)
	return at.Position
}

func keyed(key string) resume.Ask { return resume.Ask{Key: &key} }

func (r *room) reading(operation string) (context.Context, *resume.Reader) {
	reader := &resume.Reader{Operation: operation}
	return resume.With(r.t.Context(), reader), reader
}

func TestADeviceComesBackToWhatItAcknowledged(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		ctx := r.t.Context()
		require.Equal(t, int64(-1), r.begin(ctx, viewer, keyed("phone")), "nothing is known yet")
		require.Equal(t, int64(10), r.begin(ctx, viewer, keyed("phone")), "what came since its first connection is kept for it")
		require.Equal(t, int64(4), r.acked(viewer, "tablet", 4), "it may acknowledge before it ever subscribes")
		require.Equal(t, int64(4), r.begin(ctx, viewer, keyed("tablet")))
		require.Equal(t, int64(4), r.acked(viewer, "tablet", 2), "never back")
		require.Equal(t, int64(7), r.acked(viewer, "tablet", 7))
		require.Equal(t, int64(7), r.begin(ctx, viewer, keyed("tablet")))
		require.Equal(t, int64(-1), r.begin(ctx, stranger, keyed("tablet")), "another's names are others")
		require.Equal(t, int64(-1), r.begin(ctx, machine, keyed("tablet")), "and so are those of a key of the account")
	})
}

func TestTheFirstDoorThatIsKnownWins(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		after := r.at(1)
		ctx, reader := r.reading(operation)
		require.Equal(t, int64(1), r.begin(ctx, viewer, resume.Ask{After: &after}))
		require.NoError(t, reader.Confirm(ctx, r.at(5)))
		ctx, _ = r.reading(operation)
		require.Equal(t, int64(5), r.begin(ctx, viewer, resume.Ask{After: &after}), "the automatic position is before after")
		ctx, _ = r.reading(another)
		require.Equal(t, int64(1), r.begin(ctx, viewer, resume.Ask{After: &after}), "an operation of its own")
		ctx, _ = r.reading(operation)
		require.Equal(t, int64(1), r.begin(ctx, stranger, resume.Ask{After: &after}), "another account")
		require.Equal(t, int64(5), r.begin(ctx, auth.Viewer{ID: viewer.ID, Session: "sess_9"}, resume.Ask{After: &after}), "a connection may go on with another session")

		key := "tab"
		r.acked(viewer, key, 6)
		require.Equal(t, int64(6), r.begin(ctx, viewer, resume.Ask{After: &after, Key: &key}), "what was acknowledged is before both")
		asked := resume.WithAsked(ctx, map[string]any{key: r.at(8).String(), "other": r.at(2).String()})
		require.Equal(t, int64(8), r.begin(asked, viewer, resume.Ask{After: &after, Key: &key}), "what connection_init says is before all")

		last := resume.With(r.t.Context(), &resume.Reader{Last: r.at(3).String()})
		require.Equal(t, int64(3), r.begin(last, viewer, resume.Ask{After: &after}), "Last-Event-ID is later than after")
	})
}

func TestAPlaceOfAnotherLogIsToldAgainUntilItIsReplaced(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		for name, foreign := range map[string]event.Cursor{"epoch": {Epoch: "restored", Position: 3}, "position": r.at(99)} {
			ctx, reader := r.reading(operation)
			key := "device-" + name
			from, err := r.Begin(ctx, viewer, resume.Ask{After: &foreign, Key: &key, Head: r.at(10), FromHead: true})
			require.NoError(t, err)
			require.Equal(t, foreign, *from)
			require.Equal(t, int64(-2), r.begin(ctx, viewer, keyed(key)), "whoever came back before it read the reset must read it again")
			require.Equal(t, int64(10), r.acked(viewer, key, 10))
			require.Equal(t, int64(10), r.begin(ctx, viewer, keyed(key)))

			_, err = r.Begin(ctx, viewer, resume.Ask{After: &foreign, Head: r.at(10), FromHead: true})
			require.NoError(t, err)
			require.NoError(t, reader.Confirm(ctx, r.at(10)))
			require.Equal(t, int64(10), r.begin(ctx, viewer, resume.Ask{}))
			require.NoError(t, reader.Forget(ctx))
		}
	})
}

func TestAForeignPlaceOfConnectionInitDoesNotWipeWhatWasAcknowledged(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		r.acked(viewer, "tab", 6)
		for _, foreign := range []event.Cursor{{Epoch: "restored", Position: 9}, r.at(99)} {
			asked := resume.WithAsked(t.Context(), map[string]any{"tab": foreign.String()})
			from, err := r.Begin(asked, viewer, resume.Ask{Key: ptr("tab"), Head: r.at(10), FromHead: true})
			require.NoError(t, err)
			require.Equal(t, foreign, *from)
			require.Equal(t, int64(6), r.begin(t.Context(), viewer, keyed("tab")))
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestBadInputIsCodedAndChangesNothing(t *testing.T) {
	onBoth(t, resume.Config{MaxKeys: 2}, func(t *testing.T, r *room) {
		for _, key := range []string{"", "a b", strings.Repeat("x", 65), "ключ", "a\x00", "a/b", "%"} {
			_, err := r.ack(viewer, key, r.at(1))
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v", key, err)
			_, err = r.Begin(r.t.Context(), viewer, resume.Ask{Key: &key, Head: r.at(10), FromHead: true})
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v", key, err)
		}
		for _, at := range []event.Cursor{{Epoch: "restored", Position: 1}, r.at(11), {}} {
			_, err := r.ack(viewer, "ok", at)
			require.True(t, apperr.Is(err, apperr.BadInput), "%v: %v", at, err)
		}
		_, err := r.Ack(r.t.Context(), resume.AckInput{ResumeKey: "ok", UpTo: r.at(1)})
		require.True(t, apperr.Is(err, apperr.Unauthenticated), "%v", err)
		key := "tab"
		for _, asked := range []any{[]any{}, "x", 1.0, map[string]any{key: 1.0}, map[string]any{key: "x"}, map[string]any{key: map[string]any{}}} {
			_, err := r.Begin(resume.WithAsked(r.t.Context(), asked), viewer, resume.Ask{Key: &key, Head: r.at(10), FromHead: true})
			require.True(t, apperr.Is(err, apperr.BadInput), "%v: %v", asked, err)
		}
		_, err = r.Begin(resume.With(r.t.Context(), &resume.Reader{Last: "x"}), viewer, resume.Ask{Head: r.at(10)})
		require.True(t, apperr.Is(err, apperr.BadInput), "%v", err)

		require.Equal(t, int64(1), r.acked(viewer, "one", 1))
		require.Equal(t, int64(1), r.acked(viewer, "two", 1))
		_, err = r.ack(viewer, "three", r.at(1))
		require.True(t, apperr.Is(err, apperr.Conflict), "%v", err)
		key = "four"
		_, err = r.Begin(r.t.Context(), viewer, resume.Ask{Key: &key, Head: r.at(10), FromHead: true})
		require.True(t, apperr.Is(err, apperr.Conflict), "%v", err)
		require.Equal(t, int64(2), r.acked(viewer, "two", 2), "those that there are go on")
		ctx, _ := r.reading(operation)
		require.Equal(t, int64(-1), r.begin(ctx, viewer, resume.Ask{}), "operations are not counted")
	})
}

func TestPlacesAreForgottenWhenNobodyComes(t *testing.T) {
	onBoth(t, resume.Config{KeepKeys: time.Hour, KeepOperations: time.Nanosecond}, func(t *testing.T, r *room) {
		ctx, _ := r.reading(operation)
		r.acked(viewer, "phone", 3)
		require.Equal(t, int64(-1), r.begin(ctx, viewer, resume.Ask{}))
		require.Equal(t, int64(-1), r.begin(ctx, viewer, resume.Ask{}), "also before it is deleted")
		require.NoError(t, r.Expire(r.t.Context()))
		require.Equal(t, int64(-1), r.begin(ctx, viewer, resume.Ask{}))
		require.Equal(t, int64(3), r.begin(ctx, viewer, keyed("phone")))
		impatient := resume.NewBook(r.s, r.log, resume.Config{KeepKeys: time.Nanosecond})
		require.NoError(t, impatient.Expire(r.t.Context()))
		require.Equal(t, int64(-1), r.begin(r.t.Context(), viewer, keyed("phone")))
	})
}

func TestManyAcknowledgeAtOnceAndTheFurthestStands(t *testing.T) {
	onBoth(t, resume.Config{}, func(t *testing.T, r *room) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				v := viewer
				if i%2 == 1 {
					v = stranger
				}
				_, err := r.ack(v, fmt.Sprint("device-", i%5), r.at(int64(i%10)))
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for i := range 5 {
			for who, v := range []auth.Viewer{viewer, stranger} {
				// i%10 has the parity of i, and i%5 its remainder: one number fits both.
				want := int64(i)
				if want%2 != int64(who) {
					want += 5
				}
				require.Equal(t, want, r.begin(r.t.Context(), v, keyed(fmt.Sprint("device-", i))))
			}
		}
	})
}
