package app

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// pictureFile is a PNG file in a shade of its own.
func pictureFile(t testing.TB, shade uint8) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	for i := 0; i < len(m.Pix); i += 4 {
		// Not all alike, so that the file has some length.
		copy(m.Pix[i:], []byte{shade, byte(i * i >> 3), byte(i >> 2), 255})
	}
	m.Set(0, 0, color.NRGBA{})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.String()
}

type uploaded struct {
	ID, URL, ContentType string
	Width, Height, Bytes int
}

// picture uploads a picture of somebody.
func (w *world) picture(t testing.TB, c *gqlclient.Client, visibility string, shade uint8) uploaded {
	t.Helper()
	r, err := sendFile(t, c, `mutation($file: Upload!) { uploadImage(input: {file: $file, visibility: `+visibility+`}) {
		image { id url contentType width height bytes } cursor } }`, "holiday.txt", pictureFile(t, shade), "GraphQL-Require-Preflight", "1")
	require.NoError(t, err)
	require.NoError(t, r.Err())
	var got struct{ UploadImage struct{ Image uploaded } }
	require.NoError(t, json.Unmarshal(r.Data, &got))
	return got.UploadImage.Image
}

// get asks for an address; header are pairs of name and value.
func (w *world) get(t testing.TB, method, address string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL+address, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, body
}

func (w *world) status(t testing.TB, address string, header ...string) int {
	t.Helper()
	r, _ := w.get(t, http.MethodGet, address, header...)
	return r.StatusCode
}

func bearerOf(c *gqlclient.Client) []string { return []string{"Authorization", "Bearer " + c.Token} }

// onStores runs a test on both databases and on both kinds of store.
func onStores(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite, folder", func(t *testing.T) { t.Parallel(); test(t, begin(t, dbtest.SQLite(t), Options{})) })
	t.Run("postgres, s3", func(t *testing.T) {
		t.Parallel()
		test(t, begin(t, dbtest.Postgres(t), Options{}, "media-url", testkit.S3(t)))
	})
}

func TestAPublicPictureIsServedForEverToEverybody(t *testing.T) {
	onStores(t, func(t *testing.T, w *world) {
		m := w.picture(t, w.Owner, "PUBLIC", 1)
		r, whole := w.get(t, http.MethodGet, m.URL)
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.Len(t, whole, m.Bytes)
		_, err := png.Decode(bytes.NewReader(whole))
		require.NoError(t, err)
		etag := r.Header.Get("ETag")
		require.Equal(t, `"`+strings.TrimSuffix(strings.TrimPrefix(m.URL, "/media/"), ".png")+`"`, etag)
		for name, want := range map[string]string{
			"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Cross-Origin-Resource-Policy": "cross-origin", "Accept-Ranges": "bytes",
		} {
			assert.Equal(t, want, r.Header.Get(name), name)
		}

		r, body := w.get(t, http.MethodHead, m.URL)
		require.Equal(t, []any{http.StatusOK, int64(m.Bytes), 0}, []any{r.StatusCode, r.ContentLength, len(body)})
		r, body = w.get(t, http.MethodGet, m.URL, "If-None-Match", etag)
		require.Equal(t, []any{http.StatusNotModified, 0, etag}, []any{r.StatusCode, len(body), r.Header.Get("ETag")})
		r, body = w.get(t, http.MethodGet, m.URL, "Range", "bytes=10-29")
		require.Equal(t, []any{http.StatusPartialContent, string(whole[10:30])}, []any{r.StatusCode, string(body)})
		_, body = w.get(t, http.MethodGet, m.URL, "Range", "bytes=-5")
		require.Equal(t, whole[len(whole)-5:], body)
		r, _ = w.get(t, http.MethodGet, m.URL, "Range", "bytes=1000000-")
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, r.StatusCode)
		_, body = w.get(t, http.MethodGet, m.URL, "Range", "bytes=10-29", "If-Range", `"another"`)
		require.Equal(t, whole, body, "what was begun was another picture")
		r, _ = w.get(t, http.MethodGet, m.URL, "Range", "bytes=0-4,10-14")
		require.True(t, strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/byteranges"))

		r, _ = w.get(t, http.MethodGet, m.URL, "Origin", "http://localhost:3000")
		require.Equal(t, "http://localhost:3000", r.Header.Get("Access-Control-Allow-Origin"))
		r, _ = w.get(t, http.MethodOptions, m.URL, "Origin", "http://localhost:3000")
		require.Equal(t, http.StatusNoContent, r.StatusCode)
		r, _ = w.get(t, http.MethodPost, m.URL)
		require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	})
}

func TestAPrivatePictureIsServedToWhoMaySeeIt(t *testing.T) {
	onStores(t, func(t *testing.T, w *world) {
		m := w.picture(t, w.Owner, "PRIVATE", 2)
		plain, _, signed := strings.Cut(m.URL, "?")
		require.True(t, signed)
		for name, header := range map[string][]string{"owner": bearerOf(w.Owner), "admin": bearerOf(w.Admin), "cookie": {"Cookie", "parley_session=" + w.Owner.Token}} {
			r, body := w.get(t, http.MethodGet, plain, header...)
			require.Equal(t, http.StatusOK, r.StatusCode, name)
			require.Len(t, body, m.Bytes)
			require.Equal(t, []string{"private, max-age=300", "same-origin"}, []string{r.Header.Get("Cache-Control"), r.Header.Get("Cross-Origin-Resource-Policy")})
		}
		r, _ := w.get(t, http.MethodGet, m.URL)
		require.Equal(t, http.StatusOK, r.StatusCode, "an img element sends no header")
		require.Equal(t, []string{"private, max-age=300", "cross-origin"}, []string{r.Header.Get("Cache-Control"), r.Header.Get("Cross-Origin-Resource-Policy")})
		for name, header := range map[string][]string{
			"stranger": bearerOf(w.Stranger), "analyst": bearerOf(w.Analyst), "key": bearerOf(w.Machine), "nobody": nil, "nonsense": {"Authorization", "Bearer x"},
			"a page of another site": {"Cookie", "parley_session=" + w.Owner.Token, "Sec-Fetch-Site", "cross-site"},
		} {
			r, body := w.get(t, http.MethodGet, plain, header...)
			require.Equal(t, http.StatusNotFound, r.StatusCode, name)
			require.Equal(t, "There is no such picture.\n", string(body), name)
			require.Equal(t, "no-store", r.Header.Get("Cache-Control"), name)
		}
		require.Equal(t, http.StatusNotFound, w.status(t, m.URL+"x"), "another signature")
		require.Equal(t, http.StatusNotFound, w.status(t, plain+"?expires=1&signature=x"))
	})
}

func TestDeletionMakesAPictureNotFoundAtOnce(t *testing.T) {
	onStores(t, func(t *testing.T, w *world) {
		mine, theirs := w.picture(t, w.Owner, "PUBLIC", 3), w.picture(t, w.Stranger, "PUBLIC", 3)
		require.Equal(t, mine.URL, theirs.URL)
		secret := w.picture(t, w.Owner, "PRIVATE", 3)
		remove := func(c *gqlclient.Client, id string) {
			c.Must(t, `mutation($id: ID!) { deleteImage(input: {id: $id}) { deletedId cursor } }`, gqlclient.Vars{"id": id}, nil)
		}
		remove(w.Owner, mine.ID)
		require.Equal(t, http.StatusOK, w.status(t, theirs.URL), "another has the same")
		remove(w.Stranger, theirs.ID)
		require.Equal(t, http.StatusNotFound, w.status(t, theirs.URL), "the private one does not make it public")
		require.Equal(t, http.StatusOK, w.status(t, secret.URL))
		remove(w.Owner, secret.ID)
		require.Equal(t, http.StatusNotFound, w.status(t, secret.URL), "whatever its address was signed for")
		require.Equal(t, http.StatusNotFound, w.status(t, strings.Split(secret.URL, "?")[0], bearerOf(w.Owner)...))
	})
}

func TestNamesThatCantBeAreNotFoundWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	before := w.queries.Load()
	for _, name := range []string{"", "x", "x.png", "..%2f..%2fparley.db", strings.Repeat("a", 64), strings.Repeat("A", 64) + ".png", strings.Repeat("a", 64) + ".svg", "a/b.png", "%00.png", strings.Repeat("a", 5000) + ".png"} {
		require.Equal(t, http.StatusNotFound, w.status(t, "/media/"+name), name)
	}
	require.Equal(t, before, w.queries.Load())
}

func TestAPictureWhoseBytesAreGoneIsNotFound(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	w := begin(t, dbtest.SQLite(t), Options{}, "media-url", "file://"+folder)
	m := w.picture(t, w.Owner, "PUBLIC", 4)
	require.NoError(t, os.RemoveAll(folder))
	r, body := w.get(t, http.MethodGet, m.URL, "Range", "bytes=0-3")
	require.Equal(t, http.StatusNotFound, r.StatusCode)
	require.Equal(t, []string{"There is no such picture.\n", "", "no-store"}, []string{string(body), r.Header.Get("ETag"), r.Header.Get("Cache-Control")})
}

func TestASignedOutSessionOpensNoPrivatePicture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		m := w.picture(t, w.Owner, "PRIVATE", 5)
		plain := strings.Split(m.URL, "?")[0]
		other := w.session(t, w.IDs[w.Owner], auth.RoleUser)
		require.Equal(t, http.StatusOK, w.status(t, plain, bearerOf(other)...))
		other.Must(t, `mutation { signOut(input: {clientMutationId: "x"}) { clientMutationId } }`, nil, nil)
		require.Equal(t, http.StatusNotFound, w.status(t, plain, bearerOf(other)...), "its token has not expired")
		require.Equal(t, http.StatusOK, w.status(t, plain, bearerOf(w.Owner)...), "the other session stays")
	})
}

func TestAnUploadThatIsTooLargeOrNoPictureIsACodedError(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for code, content := range map[string]string{"BAD_INPUT": "I am a picture", "TOO_LARGE": strings.Repeat("x", 8<<20+1)} {
		r, err := sendFile(t, w.Owner, `mutation($file: Upload!) { uploadImage(input: {file: $file}) { image { id } } }`, "a.png", content, "GraphQL-Require-Preflight", "1")
		require.NoError(t, err)
		require.Equal(t, code, r.Code())
	}
	require.Equal(t, http.StatusNotFound, w.status(t, "/media/"+store.NewID("media")+".png", bearerOf(w.Owner)...))
}

func TestAStoreThatIsAwayIsToldAndComesBack(t *testing.T) {
	t.Parallel()
	s3, where := testkit.S3Server(t)
	w := begin(t, dbtest.SQLite(t), Options{}, "media-url", where)
	m := w.picture(t, w.Owner, "PUBLIC", 6)
	require.NoError(t, s3.Kill())
	r, body := w.get(t, http.MethodGet, m.URL)
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	require.Equal(t, []string{"The picture can't be read right now.\n", "no-store", ""}, []string{string(body), r.Header.Get("Cache-Control"), r.Header.Get("ETag")})
	sent, err := sendFile(t, w.Owner, `mutation($file: Upload!) { uploadImage(input: {file: $file}) { image { id } } }`, "a.png", pictureFile(t, 7), "GraphQL-Require-Preflight", "1")
	require.NoError(t, err)
	require.Equal(t, "UNAVAILABLE", sent.Code())
	w.Owner.Must(t, `{ notes { totalCount } }`, nil, nil)
	require.NoError(t, s3.Restart(t.Context()))
	require.Equal(t, http.StatusOK, w.status(t, m.URL))
	w.picture(t, w.Owner, "PUBLIC", 7)
}

func TestAServerWithoutItsStoreDoesNotStart(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(map[string]string{
		"database-url": dbtest.SQLite(t), "data": t.TempDir(), "media-url": "s3://nowhere?endpoint=http://127.0.0.1:1",
	}, func(string) string { return "" }, "")
	require.NoError(t, err)
	_, err = openAPI(t.Context(), cfg, Serve)
	require.ErrorContains(t, err, "the media store s3://nowhere?endpoint=http://127.0.0.1:1 can't be used")
}
