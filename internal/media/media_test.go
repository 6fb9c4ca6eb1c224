package media_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	row "parley/ent/gen/media"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/media"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

type visibility = row.Visibility

func TestAnUploadIsKeptWithWhatIsSaidOfIt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		w, err := r.Upload(as(t, owner), media.UploadInput{File: bytes.NewReader(file(t, 1)), Visibility: media.Private, Licence: ptr("MIT")})
		require.NoError(t, err)
		m, err := r.Get(as(t, owner), w.Image.ID)
		require.NoError(t, err)
		require.Equal(t, owner, *m.OwnerID)
		require.Equal(t, []any{8, 6, media.PNG, media.Private, "MIT"}, []any{m.Width, m.Height, m.ContentType, m.Visibility, *m.Licence})
		require.True(t, r.stored(m))
		r.age()
		require.Zero(t, r.sweep())
		require.True(t, r.stored(m), "what has a row stays")
	})
}

func TestBadUploadsAreRefusedAndKeepNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for _, c := range []struct {
			in   media.UploadInput
			code apperr.Code
			path []string
		}{
			{media.UploadInput{File: strings.NewReader("picture.png")}, apperr.BadInput, []string{"input", "file"}},
			{media.UploadInput{File: bytes.NewReader(make([]byte, media.MaxBytes+1))}, apperr.TooLarge, []string{"input", "file"}},
			{media.UploadInput{File: bytes.NewReader(file(t, 1)), Licence: ptr(strings.Repeat("ü", 2001))}, apperr.BadInput, []string{"input", "licence"}},
			{media.UploadInput{File: bytes.NewReader(file(t, 1)), Licence: ptr("a\x00b")}, apperr.BadInput, []string{"input", "licence"}},
			{media.UploadInput{File: bytes.NewReader(file(t, 1)), IdempotencyKey: ptr("")}, apperr.BadInput, []string{"input", "idempotencyKey"}},
		} {
			c.in.Visibility = media.Public
			_, err := r.Upload(as(t, owner), c.in)
			refused(t, err, c.code, c.path...)
		}
		n, err := r.store.Client(t.Context()).Media.Query().Count(auth.System(t.Context(), "test"))
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = r.Upload(t.Context(), media.UploadInput{File: bytes.NewReader(file(t, 1)), Visibility: media.Public})
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestARepeatedUploadGivesTheSamePicture(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		upload := func(shade byte, v visibility) (*media.Written, error) {
			return r.Upload(as(t, owner), media.UploadInput{File: bytes.NewReader(file(t, shade)), Visibility: v, IdempotencyKey: ptr("k")})
		}
		first, err := upload(1, media.Public)
		require.NoError(t, err)
		again, err := upload(1, media.Public)
		require.NoError(t, err)
		require.Equal(t, first.Image.ID, again.Image.ID)
		_, err = upload(2, media.Public)
		refused(t, err, apperr.IdempotencyMismatch)
		_, err = upload(1, media.Private)
		refused(t, err, apperr.IdempotencyMismatch)
		r.age()
		require.Equal(t, 1, r.sweep(), "what the refused call stored")
		require.True(t, r.stored(first.Image))
		_, err = r.Delete(as(t, owner), first.Image.ID)
		require.NoError(t, err)
		_, err = upload(1, media.Public)
		refused(t, err, apperr.NotFound)
	})
}

func TestAPrivatePictureIsItsOwnersAndAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		secret, open := r.upload(owner, media.Private, 1), r.upload(owner, media.Public, 2)
		key := auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_1"})
		for _, c := range []struct {
			who          context.Context
			secret, open bool
		}{{as(t, owner), true, true}, {admin(t), true, true}, {as(t, stranger), false, true}} {
			_, err := r.Get(c.who, secret.ID)
			require.Equal(t, c.secret, err == nil, "%v", err)
			_, err = r.Get(c.who, open.ID)
			require.Equal(t, c.open, err == nil, "%v", err)
			found, err := r.ByID(c.who, []string{secret.ID, open.ID})
			require.NoError(t, err)
			require.Equal(t, []bool{c.secret, c.open}, []bool{found[secret.ID] != nil, found[open.ID] != nil})
		}
		_, err := r.Get(key, open.ID)
		require.Error(t, err, "a key reads none")
		_, err = r.Get(t.Context(), open.ID)
		require.Error(t, err)
		_, err = r.Get(as(t, owner), "media_1")
		refused(t, err, apperr.BadInput, "id")

		_, err = r.Delete(as(t, stranger), secret.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Delete(as(t, stranger), open.ID)
		refused(t, err, apperr.Forbidden)
		_, err = r.Delete(admin(t), secret.ID)
		refused(t, err, apperr.Forbidden)
		require.True(t, r.stored(secret) && r.stored(open))
	})
}

func TestEqualPicturesAreStoredOnceAndGoWithTheLastOfThem(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		mine, theirs := r.upload(owner, media.Private, 1), r.upload(stranger, media.Public, 1)
		require.Equal(t, mine.Hash, theirs.Hash)
		_, err := r.Delete(as(t, owner), mine.ID)
		require.NoError(t, err)
		r.age()
		require.Zero(t, r.sweep())
		require.True(t, r.stored(theirs), "it is another's too")
		_, err = r.Delete(as(t, stranger), theirs.ID)
		require.NoError(t, err)
		require.Zero(t, r.sweep(), "not at once: somebody may be about to name it")
		require.True(t, r.stored(theirs))
		r.age()
		require.Equal(t, 1, r.sweep())
		require.False(t, r.stored(theirs))
		require.True(t, r.stored(r.upload(owner, media.Private, 1)), "and it may come back")
	})
}

// A process ended between the object and its row: nobody knows the object, and it goes.
func TestWhatWasStoredWithoutARowIsSwept(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		p, err := r.Take(t.Context(), file(t, 1))
		require.NoError(t, err)
		k, err := r.Keep(t.Context(), p)
		require.NoError(t, err)
		lost := &gen.Media{Hash: k.Hash, Bytes: int64(len(p.Data))}
		require.True(t, r.stored(lost))
		failed := errors.New("the call's own work failed")
		err = r.store.Tx(as(t, owner), func(ctx context.Context) error {
			_, err := r.Add(ctx, k, media.About{Owner: ptr(owner), Visibility: media.Public})
			return errors.Join(err, failed)
		})
		require.ErrorIs(t, err, failed)
		require.Zero(t, r.sweep())
		require.True(t, r.stored(lost), "a call may be under way")
		r.age()
		require.Equal(t, 1, r.sweep())
		require.False(t, r.stored(lost))
		require.Zero(t, r.sweep(), "and is forgotten")
	})
}

// The object was to be swept when somebody uploads the same: it is theirs now.
func TestAnUploadTakesAnObjectFromTheSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		m := r.upload(owner, media.Public, 1)
		_, err := r.Delete(as(t, owner), m.ID)
		require.NoError(t, err)
		r.age()
		p, err := r.Take(t.Context(), file(t, 1))
		require.NoError(t, err)
		k, err := r.Keep(t.Context(), p)
		require.NoError(t, err)
		require.Zero(t, r.sweep(), "it was kept anew, and has no row yet")
		require.NoError(t, r.store.Tx(as(t, owner), func(ctx context.Context) error {
			m, err = r.Add(ctx, k, media.About{Owner: ptr(owner), Visibility: media.Public})
			return err
		}))
		r.age()
		require.Zero(t, r.sweep())
		require.True(t, r.stored(m))
	})
}

// An upload meets the sweep at the same object, in whatever order: afterwards the bytes
// are there, and the row that is made then has them.
func TestAnUploadThatMeetsTheSweepKeepsItsBytes(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		p, err := r.Take(t.Context(), file(t, 1))
		require.NoError(t, err)
		k, err := r.Keep(t.Context(), p)
		require.NoError(t, err)
		object, swept := &gen.Media{Hash: k.Hash, Bytes: int64(len(p.Data))}, 0
		for range 40 {
			before := store.Now()
			var sweeping sync.WaitGroup
			sweeping.Go(func() {
				// What was kept until now is due; what is kept from now on is not.
				_, err := r.store.Exec(t.Context(), "UPDATE loose_objects SET since = ? WHERE since <= ?", store.Now().Add(-media.Grace-1), before)
				assert.NoError(t, err)
				n, err := r.Sweep(t.Context())
				assert.NoError(t, err)
				swept += n
			})
			k, err = r.Keep(t.Context(), p)
			sweeping.Wait()
			require.NoError(t, err)
			require.True(t, r.stored(object), "after %d sweeps", swept)
		}
		t.Log("swept", swept, "of 40")
		require.NoError(t, r.store.Tx(as(t, owner), func(ctx context.Context) error {
			_, err := r.Add(ctx, k, media.About{Owner: ptr(owner), Visibility: media.Private})
			return err
		}))
		r.age()
		require.Zero(t, r.sweep())
		require.True(t, r.stored(object))
	})
}

func TestOneRoundOfTheSweepIsBoundedAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.SQLite(t)), t.TempDir())
	require.NoError(t, r.store.Tx(t.Context(), func(ctx context.Context) error {
		_, err := r.store.InsertRows(ctx, "INSERT INTO loose_objects (id, since) VALUES ", "(?, ?)", "", 5100,
			func(i int, args []any) []any { return append(args, "x"+strconv.Itoa(100_000+i), store.Now()) })
		return err
	}))
	r.age()
	require.Equal(t, 5000, r.sweep())
	require.Equal(t, 100, r.sweep())
}

func TestAnAccountsPicturesGoWithItAndAreExported(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		mine, shared, theirs := r.upload(owner, media.Private, 1), r.upload(owner, media.Public, 2), r.upload(stranger, media.Public, 2)
		account := r.Domain().Account
		system := auth.System(t.Context(), "test")
		var lines []string
		require.NoError(t, account.Export(system, owner, func(kind string, row any) error {
			data, err := json.Marshal(row)
			lines = append(lines, kind+" "+string(data))
			return err
		}))
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], mine.ID)
		require.Contains(t, lines[0], "signature=")
		require.Contains(t, lines[1], shared.Hash)
		require.NoError(t, account.Delete(system, owner))
		require.NoError(t, account.Delete(system, owner), "again")
		_, err := r.Get(admin(t), mine.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Get(as(t, stranger), theirs.ID)
		require.NoError(t, err)
		r.age()
		require.Equal(t, 1, r.sweep())
		require.Equal(t, []bool{false, true}, []bool{r.stored(mine), r.stored(theirs)})
	})
}

func (r *room) served(ctx context.Context, address string) (*media.Served, error) {
	r.t.Helper()
	u, err := url.Parse(address)
	require.NoError(r.t, err)
	return r.Serve(ctx, strings.TrimPrefix(u.Path, media.Path), u.Query())
}

func TestAnAddressOpensWhatItShould(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		secret, open := r.upload(owner, media.Private, 1), r.upload(owner, media.Public, 2)
		private, err := r.URL(secret)
		require.NoError(t, err)
		public, err := r.URL(open)
		require.NoError(t, err)
		require.Equal(t, "/media/"+open.Hash+".png", public)
		again, err := r.URL(secret)
		require.NoError(t, err)
		require.Equal(t, private, again, "so that a browser finds it in its cache")

		for _, address := range []string{private, public} {
			_, err := r.served(t.Context(), address)
			require.NoError(t, err, "%s for nobody", address)
		}
		plain := "/media/" + secret.ID + ".png"
		for who, want := range map[context.Context]bool{as(t, owner): true, admin(t): true, as(t, stranger): false, t.Context(): false} {
			_, err := r.served(who, plain)
			require.Equal(t, want, err == nil, "%v", err)
		}
		key := auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_1"})
		expired := strconv.FormatInt(time.Now().Unix()-1, 10)
		signature, err := r.tokens.Sign("media", secret.ID+" "+expired)
		require.NoError(t, err)
		other, err := url.Parse(private)
		require.NoError(t, err)
		later := other.Query()
		later.Set("expires", "99999999999")
		for name, address := range map[string]string{
			"a private one by its hash":        "/media/" + secret.Hash + ".png",
			"another ending":                   "/media/" + open.Hash + ".jpg",
			"an expired signature":             plain + "?" + url.Values{"expires": {expired}, "signature": {signature}}.Encode(),
			"a longer life than was signed":    plain + "?" + later.Encode(),
			"no signature":                     plain + "?expires=99999999999",
			"a signature of something else":    "/media/" + store.NewID("media") + ".png?" + other.RawQuery,
			"no ending":                        "/media/" + open.Hash,
			"capitals":                         "/media/" + strings.ToUpper(open.Hash) + ".png",
			"a path":                           "/media/../" + open.Hash + ".png",
			"another's id":                     "/media/note_01J00000000000000000000000.png",
			"nothing":                          "/media/",
			"a hash that nothing has":          "/media/" + objectName + ".png",
			"a name that is a mile long":       "/media/" + strings.Repeat("a", 10_000),
			"a line break that a regexp skips": "/media/" + open.Hash + ".png%0A",
		} {
			for _, ctx := range []context.Context{t.Context(), as(t, stranger), key} {
				_, err := r.served(ctx, address)
				require.Equal(t, apperr.NotFound, apperr.CodeOf(err), "%s: %v", name, err)
			}
		}
		_, err = r.Delete(as(t, owner), secret.ID)
		require.NoError(t, err)
		_, err = r.Delete(as(t, owner), open.ID)
		require.NoError(t, err)
		for _, address := range []string{private, public} {
			_, err := r.served(as(t, owner), address)
			refused(t, err, apperr.NotFound)
		}
	})
}

func TestPicturesOfTheInstallationHaveNoOwner(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		p, err := r.Take(t.Context(), file(t, 1))
		require.NoError(t, err)
		k, err := r.Keep(t.Context(), p)
		require.NoError(t, err)
		var m *gen.Media
		add := func(ctx context.Context, a media.About) error {
			return r.store.Tx(ctx, func(ctx context.Context) (err error) { m, err = r.Add(ctx, k, a); return err })
		}
		require.Error(t, add(as(t, owner), media.About{Visibility: media.Public}), "only the system makes them")
		require.Error(t, add(as(t, owner), media.About{Owner: ptr(stranger), Visibility: media.Public}))
		require.NoError(t, add(auth.System(t.Context(), "test"), media.About{Visibility: media.Public, Licence: ptr("MIT")}))
		_, err = r.Get(as(t, stranger), m.ID)
		require.NoError(t, err)
		_, err = r.Delete(as(t, stranger), m.ID)
		refused(t, err, apperr.Forbidden)
	})
}
