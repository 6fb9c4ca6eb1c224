package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/sticker"
	"parley/internal/sticker/demo"
	"parley/internal/testkit/dbtest"
)

// named is a file with its name.
type named struct{ name, content string }

// sendFiles sends an operation with the variable files by the multipart convention.
func sendFiles(t testing.TB, c *gqlclient.Client, query string, files ...named) *gqlclient.Response {
	t.Helper()
	places := map[string][]string{}
	for i := range files {
		places[fmt.Sprint(i)] = []string{fmt.Sprintf("variables.files.%d", i)}
	}
	operations, err := json.Marshal(gqlclient.Vars{"query": query, "variables": gqlclient.Vars{"files": make([]any, len(files))}})
	require.NoError(t, err)
	where, err := json.Marshal(places)
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("operations", string(operations))
	_ = form.WriteField("map", string(where))
	for i, f := range files {
		part, err := form.CreateFormFile(fmt.Sprint(i), f.name)
		require.NoError(t, err)
		_, _ = part.Write([]byte(f.content))
	}
	require.NoError(t, form.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/graphql", &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("GraphQL-Require-Preflight", "1")
	got, err := c.Send(r)
	require.NoError(t, err)
	return got
}

type addedStickers struct {
	AddStickers struct {
		Cursor  string
		Results []struct {
			Sticker *stuckOn
			Error   *struct{ Code, Message string }
		}
	}
}

type stuckOn struct {
	ID, Name, URL string
	Width         int
}

func addStickers(t testing.TB, c *gqlclient.Client, visibility string, files ...named) addedStickers {
	t.Helper()
	r := sendFiles(t, c, `mutation($files: [Upload!]!) { addStickers(input: {files: $files, visibility: `+visibility+`, licence: "MIT"}) {
		cursor results { sticker { id name url width } error { code message } } } }`, files...)
	require.NoError(t, r.Err())
	var got addedStickers
	require.NoError(t, json.Unmarshal(r.Data, &got))
	return got
}

// lastSticker numbers the stickers of all tests.
var lastSticker atomic.Int64

// sticker adds a sticker of somebody.
func (w *world) sticker(t testing.TB, c *gqlclient.Client, visibility string) *stuckOn {
	t.Helper()
	got := addStickers(t, c, visibility, named{fmt.Sprintf("sticker-%d.png", lastSticker.Add(1)), pictureFile(t, 1)})
	require.Nil(t, got.AddStickers.Results[0].Error)
	return got.AddStickers.Results[0].Sticker
}

func TestManyStickersComeInOneCall(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		files := []named{{"none.png", "I am a picture"}, {"red-apple.png", pictureFile(t, 1)}, {"RED-APPLE.png", pictureFile(t, 2)}}
		for i := range 47 {
			files = append(files, named{fmt.Sprintf("%d.png", i), pictureFile(t, uint8(i))})
		}
		got := addStickers(t, w.Owner, "PRIVATE", files...).AddStickers.Results
		require.Len(t, got, 50)
		require.Equal(t, []string{"BAD_INPUT", "CONFLICT"}, []string{got[0].Error.Code, got[2].Error.Code})
		require.Equal(t, []any{"red-apple.png", 20}, []any{got[1].Sticker.Name, got[1].Sticker.Width})
		require.Equal(t, http.StatusOK, w.status(t, got[1].Sticker.URL))
		plain, _, signed := strings.Cut(got[1].Sticker.URL, "?")
		require.True(t, signed)
		require.Equal(t, http.StatusNotFound, w.status(t, plain, bearerOf(w.Stranger)...))
		var seen struct{ Stickers struct{ TotalCount int } }
		w.Owner.Must(t, `{ stickers { totalCount } }`, nil, &seen)
		require.Equal(t, 48, seen.Stickers.TotalCount)
		w.Stranger.Must(t, `{ stickers(filter: {name: "red"}) { totalCount } }`, nil, &seen)
		require.Zero(t, seen.Stickers.TotalCount)
		w.Owner.Must(t, `mutation($id: ID!) { deleteSticker(input: {id: $id}) { deletedId } }`, gqlclient.Vars{"id": got[1].Sticker.ID}, nil)
		require.Equal(t, http.StatusNotFound, w.status(t, got[1].Sticker.URL))
		r := sendFiles(t, w.Owner, `mutation($files: [Upload!]!) { addStickers(input: {files: $files, visibility: PUBLIC}) { cursor } }`, named{"a.png", pictureFile(t, 1)})
		require.Equal(t, "FORBIDDEN", r.Code())
	})
}

// Eight files of 8 MiB are as much as a call may have; more in one body is refused before
// it is read.
func TestASignedInPersonMaySend64MiB(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	whole := pictureFile(t, 1)
	heavy := whole + strings.Repeat("x", 8<<20-len(whole)) // what follows the end of a PNG is not read
	const query = `mutation($files: [Upload!]!) { addStickers(input: {files: $files}) { cursor results { sticker { id } error { code } } } }`
	var files []named
	for i := range 8 {
		files = append(files, named{fmt.Sprintf("%d.png", i), heavy})
	}
	got := addStickers(t, w.Owner, "PRIVATE", files...)
	for _, r := range got.AddStickers.Results {
		require.Nil(t, r.Error)
	}
	require.Equal(t, "TOO_LARGE", sendFiles(t, w.Owner, query, append(files, named{"a", "xx"})...).Code())
	require.Equal(t, "TOO_LARGE", sendFiles(t, w.Owner, query, append(files, named{"a", heavy})...).Code())
	for _, c := range []*gqlclient.Client{w.Anonymous, w.Machine} {
		require.Equal(t, "TOO_LARGE", sendFiles(t, c, query, files[0], files[1]).Code())
	}
	r := sendFiles(t, w.Owner, query, make([]named, 51)...)
	require.Equal(t, "BAD_INPUT", r.Code())
	r = sendFiles(t, w.Anonymous, query, make([]named, 11)...)
	require.Equal(t, "BAD_INPUT", r.Code())
}

func TestListenersHearOfStickersThatTheyMaySeeOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		const query = `subscription { events(topics: [STICKERS]) { ... on StickerChanged { stickerId action sticker { name } } } }`
		type heard struct {
			StickerID, Action string
			Sticker           *struct{ Name string }
		}
		streams := map[*gqlclient.Client]*gqlclient.Stream{}
		for _, c := range []*gqlclient.Client{w.Owner, w.Stranger, w.Analyst, w.Service, w.Admin} {
			streams[c] = c.MustDial(t).Subscribe(t, query, nil)
		}
		next := func(c *gqlclient.Client) heard {
			r, more := streams[c].Next(t)
			require.True(t, more)
			require.NoError(t, r.Err())
			var got struct{ Events heard }
			require.NoError(t, json.Unmarshal(r.Data, &got))
			return got.Events
		}
		// A stream may register after the first sticker: public ones come until all hear.
		ready := map[*gqlclient.Client]bool{}
		for len(ready) < len(streams) {
			w.sticker(t, w.Admin, "PUBLIC")
			for c, s := range streams {
				if _, ok := s.Try(); ok {
					ready[c] = true
				}
			}
		}
		mine := w.sticker(t, w.Owner, "PRIVATE")
		open := w.sticker(t, w.Admin, "PUBLIC")
		w.Admin.Must(t, `mutation($id: ID!) { deleteSticker(input: {id: $id}) { deletedId } }`, gqlclient.Vars{"id": open.ID}, nil)
		for c := range streams {
			var last []heard
			for len(last) == 0 || last[len(last)-1].Action != "DELETED" {
				last = append(last, next(c))
			}
			about := 0
			for _, h := range last {
				if h.StickerID == mine.ID {
					require.Equal(t, w.Owner, c, "only the owner hears of a private sticker")
					require.Equal(t, mine.Name, h.Sticker.Name)
				}
				if h.StickerID == open.ID && h.Action == "CREATED" {
					about++
				}
			}
			require.Equal(t, 1, about, "each hears once")
			require.Nil(t, last[len(last)-1].Sticker)
		}
	})
}

func TestServeAddsTheDemoStickersUnlessToldNotTo(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{}, "demo", "on")
	var seen struct {
		Stickers struct {
			TotalCount int
			Nodes      []struct {
				Name, Caption, Licence, URL string
				System                      bool
			}
		}
	}
	var first sticker.Shipped
	for one, err := range demo.Stickers() {
		require.NoError(t, err)
		first = one
		break
	}
	// The others follow while the server answers.
	require.Eventually(t, func() bool {
		w.Owner.Must(t, `query($name: String!) { stickers(first: 1, filter: {name: $name}) { totalCount nodes { name caption licence url system } } }`, gqlclient.Vars{"name": first.Name}, &seen)
		return seen.Stickers.TotalCount == 1
	}, 2*time.Minute, 100*time.Millisecond)
	one := seen.Stickers.Nodes[0]
	require.Equal(t, []any{first.Name, first.Caption, demo.Licence, true}, []any{one.Name, one.Caption, one.Licence, one.System})
	require.Equal(t, http.StatusOK, w.status(t, one.URL))
	off := begin(t, dbtest.SQLite(t), Options{}, "demo", "off")
	off.Owner.Must(t, `{ stickers { totalCount } }`, nil, &seen)
	require.Zero(t, seen.Stickers.TotalCount)
}

func TestTheCommandAddsTheDemoStickersBesideARunningServer(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		w := begin(t, url, Options{})
		added, err := SeedStickers(t.Context(), w.cfg)
		require.NoError(t, err)
		require.Equal(t, demo.Count, added)
		var seen struct{ Stickers struct{ TotalCount int } }
		w.Stranger.Must(t, `{ stickers(filter: {visibility: PUBLIC}) { totalCount } }`, nil, &seen)
		require.Equal(t, demo.Count, seen.Stickers.TotalCount)
		added, err = SeedStickers(t.Context(), w.cfg)
		require.NoError(t, err)
		require.Zero(t, added)
	})
}
