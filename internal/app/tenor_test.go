package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/auth"
	"parley/internal/tenor"
	"parley/internal/testkit/dbtest"
)

// tenorResult is what clients of Tenor read of a sticker.
type tenorResult struct {
	ID, Title    string
	MediaFormats map[string]struct {
		URL      string
		Duration float64
		Preview  *string
		Dims     []int
		Size     int64
	} `json:"media_formats"`
	Created      float64
	Description  string `json:"content_description"`
	Source       string `json:"content_description_source"`
	ItemURL, URL string
	Tags, Flags  []string
	HasAudio     *bool
	Licence      string
}

type tenorPage struct {
	Next    *string
	Results []tenorResult
}

func (p tenorPage) titles() []string {
	titles := []string{}
	for _, r := range p.Results {
		titles = append(titles, r.Title)
	}
	return titles
}

// tenor asks with the key of a client and gives the response with its body.
func (w *world) tenor(t testing.TB, c *gqlclient.Client, method, path string, parameters url.Values) (*http.Response, string) {
	t.Helper()
	if c.Token != "" {
		parameters.Set("key", c.Token)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL+"/v2/"+path+"?"+parameters.Encode(), nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
	if c.Token != "" {
		assert.NotContains(t, string(body), c.Token)
	}
	return res, string(body)
}

// tenorOf gives an answer; the parameters are pairs of name and value.
func tenorOf[T any](t testing.TB, w *world, path string, parameters ...string) (got T) {
	t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	res, body := w.tenor(t, w.Machine, http.MethodGet, path, values)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	return got
}

type tenorError struct {
	Error struct {
		Code            int
		Message, Status string
		Details         []struct {
			Type           string `json:"@type"`
			Reason, Domain string
			Metadata       map[string]string
		}
	}
}

// refusedTenor wants an error with its code, its names, and the parameter that it is about.
func refusedTenor(t testing.TB, res *http.Response, body string, code int, status, reason, parameter string) {
	t.Helper()
	var got tenorError
	require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	assert.Equal(t, code, res.StatusCode, body)
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	assert.Equal(t, code, got.Error.Code)
	assert.Equal(t, status, got.Error.Status)
	assert.NotEmpty(t, got.Error.Message)
	require.Len(t, got.Error.Details, 1)
	assert.Equal(t, "type.googleapis.com/google.rpc.ErrorInfo", got.Error.Details[0].Type)
	assert.Equal(t, reason, got.Error.Details[0].Reason)
	assert.Equal(t, "parley", got.Error.Details[0].Domain)
	assert.Equal(t, parameter, got.Error.Details[0].Metadata["parameter"], body)
}

func TestClientsOfTenorFindStickersInItsForm(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		begun := time.Now().Add(-time.Minute)
		id := w.captioned(t, w.Admin, "PUBLIC", "cat.png", "black cat", "animal", "Pet")
		w.captioned(t, w.Admin, "PUBLIC", "sad_dog.png", "", "animal")
		found := tenorOf[tenorPage](t, w, "search", "q", "black ca", "client_key", "x", "country", "US", "locale", "en_US",
			"contentfilter", "high", "searchfilter", "sticker", "random", "true", "ar_range", "all")
		require.Equal(t, []string{"cat.png"}, found.titles())
		assert.Empty(t, *found.Next)
		cat := found.Results[0]
		assert.Equal(t, id, cat.ID)
		assert.Equal(t, "black cat", cat.Description)
		assert.Equal(t, "CAPTION", cat.Source)
		assert.Equal(t, []string{"animal", "Pet"}, cat.Tags)
		assert.Equal(t, []string{"sticker", "static"}, cat.Flags)
		assert.False(t, *cat.HasAudio)
		assert.InDelta(t, time.Now().Unix(), cat.Created, 600)
		assert.Greater(t, cat.Created, float64(begun.Unix()))
		assert.Equal(t, cat.URL, cat.ItemURL)
		assert.Len(t, cat.MediaFormats, 12)
		for _, name := range []string{"gif", "tinygif", "nanogif", "preview", "webp_transparent", "png"} {
			file := cat.MediaFormats[name]
			assert.Equal(t, w.URL, file.URL[:len(w.URL)], name)
			assert.Len(t, file.Dims, 2)
			assert.Positive(t, file.Dims[0])
			res, err := http.Get(file.URL)
			require.NoError(t, err)
			data, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, http.StatusOK, res.StatusCode)
			assert.Equal(t, "image/png", res.Header.Get("Content-Type"))
			assert.EqualValues(t, file.Size, len(data))
		}
		dog := tenorOf[tenorPage](t, w, "search", "q", "dog", "media_filter", "tinygif, gif,mp4").Results[0]
		assert.Equal(t, "sad dog", dog.Description)
		assert.Equal(t, "NAME", dog.Source)
		assert.Len(t, dog.MediaFormats, 2)
		assert.Contains(t, dog.MediaFormats, "tinygif")

		assert.Equal(t, []string{"cat.png"}, tenorOf[tenorPage](t, w, "posts", "ids", id+",x,sticker_01M8JSHB456G34N2N0Y8GKDR3A").titles())
		for _, path := range []string{"autocomplete", "search_suggestions"} {
			assert.Equal(t, []string{"animal"}, tenorOf[struct{ Results []string }](t, w, path, "q", "an", "limit", "5").Results)
			assert.Equal(t, []string{}, tenorOf[struct{ Results []string }](t, w, path, "q", "zz").Results)
		}
		assert.Equal(t, []string{}, tenorOf[tenorPage](t, w, "search", "q", "zebra").titles())
	})
}

type tenorCategories struct {
	Tags []struct{ SearchTerm, Path, Image, Name string }
}

func TestClientsOfTenorAreShownTagsWithPictures(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for name, tags := range map[string][]string{"a.png": {"Pet", "cat"}, "b.png": {"pet"}, "c.png": {"sky & sea"}} {
		w.captioned(t, w.Admin, "PUBLIC", name, "", tags...)
	}
	rare := w.captioned(t, w.Admin, "PUBLIC", "d.png", "", "rare")
	w.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {rare}})
	require.NoError(t, w.feedback.Flush(t.Context()))
	terms := func(kind string) (terms []string) {
		for _, c := range tenorOf[tenorCategories](t, w, "categories", "type", kind).Tags {
			terms = append(terms, strings.ToLower(c.SearchTerm))
			assert.Equal(t, "#"+c.SearchTerm, c.Name)
			asked, err := url.Parse(c.Path)
			require.NoError(t, err)
			assert.Equal(t, "/v2/search", asked.Path)
			assert.Equal(t, url.Values{"q": {c.SearchTerm}}, asked.Query())
			assert.NotEmpty(t, tenorOf[tenorPage](t, w, "search", "q", c.SearchTerm).Results)
			res, err := http.Get(c.Image)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, "image/png", res.Header.Get("Content-Type"))
		}
		return terms
	}
	assert.Equal(t, []string{"pet", "cat", "rare", "sky & sea"}, terms("featured"))
	assert.Equal(t, []string{"pet", "cat", "rare", "sky & sea"}, terms(""))
	assert.Equal(t, []string{"rare", "pet", "cat", "sky & sea"}, terms("trending"))
	assert.Equal(t, []string{"rare"}, tenorOf[struct{ Results []string }](t, w, "trending_terms", "limit", "1").Results)
	res, _ := w.tenor(t, w.Machine, http.MethodGet, "categories", url.Values{})
	assert.Equal(t, "private, max-age=60", res.Header.Get("Cache-Control"))
}

// Not the owner's own either: a key is shown what everybody may see.
func TestClientsOfTenorNeverSeePrivateStickers(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	w.captioned(t, w.Admin, "PUBLIC", "public.png", "banana", "fruit")
	var private []string
	for i, c := range []*gqlclient.Client{w.Owner, w.Service, w.Admin} {
		private = append(private, w.captioned(t, c, "PRIVATE", fmt.Sprintf("secret%d.png", i), "banana secret", "hidden", "fruit"))
	}
	for _, id := range private {
		res, body := w.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {id}, "q": {"banana"}})
		refusedTenor(t, res, body, 404, "NOT_FOUND", "NOT_FOUND", "")
	}
	for path, parameters := range map[string]url.Values{
		"search": {"q": {"banana secret hidden"}}, "featured": {}, "posts": {"ids": {strings.Join(private, ",")}}, "trending_terms": {},
		"categories": {"type": {"trending"}}, "autocomplete": {"q": {"s"}}, "search_suggestions": {"q": {"banana h"}},
	} {
		res, body := w.tenor(t, w.Machine, http.MethodGet, path, parameters)
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		for _, word := range append([]string{"secret", "hidden"}, private...) {
			assert.NotContains(t, body, word, path)
		}
	}
	assert.Equal(t, []string{"public.png"}, tenorOf[tenorPage](t, w, "search", "q", "banana").titles())
	tags := tenorOf[tenorCategories](t, w, "categories").Tags
	require.Len(t, tags, 1)
	assert.Equal(t, "fruit", tags[0].SearchTerm)

	id := w.captioned(t, w.Admin, "PUBLIC", "soon.png", "soon", "passing")
	require.Equal(t, []string{"soon.png"}, tenorOf[tenorPage](t, w, "search", "q", "passing").titles())
	w.Admin.Must(t, `mutation($id: ID!) { deleteSticker(input: {id: $id}) { deletedId } }`, gqlclient.Vars{"id": id}, nil)
	for _, path := range []string{"search", "featured", "trending_terms", "categories", "autocomplete"} {
		_, body := w.tenor(t, w.Machine, http.MethodGet, path, url.Values{"q": {"passing"}})
		assert.NotContains(t, body, "passing", "%s of a deleted sticker", path)
	}
}

func TestClientsOfTenorNeedAKeyWithTheScope(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	search := w.key(t, auth.ScopeStickersSearch)
	revoked := w.key(t, auth.ScopeStickersSearch)
	w.Service.Must(t, `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { id } } }`, gqlclient.Vars{"id": w.IDs[revoked]}, nil)
	wrong := w.Anonymous.As(search.Token[:len(search.Token)-1] + "!")
	routes := []string{"search", "autocomplete", "search_suggestions", "featured", "categories", "trending_terms", "posts", "registershare"}
	for _, path := range routes {
		parameters := url.Values{"q": {"a"}, "ids": {"x"}}
		for name, c := range map[string]*gqlclient.Client{"none": w.Anonymous, "wrong": wrong, "revoked": revoked, "an access token": w.Service, "a person's": w.Owner} {
			res, body := w.tenor(t, c, http.MethodGet, path, maps.Clone(parameters))
			t.Log(name)
			refusedTenor(t, res, body, 401, "UNAUTHENTICATED", "UNAUTHENTICATED", "")
		}
		res, body := w.tenor(t, w.Reader, http.MethodGet, path, maps.Clone(parameters))
		refusedTenor(t, res, body, 403, "PERMISSION_DENIED", "FORBIDDEN", "")
		if path != "registershare" {
			res, body = w.tenor(t, search, http.MethodGet, path, maps.Clone(parameters))
			assert.Equal(t, http.StatusOK, res.StatusCode, body)
		}
	}
	// What the browser holds of a person is no key.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/v2/featured", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+search.Token)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	// The scope opens nothing else.
	assert.Equal(t, "FORBIDDEN", refusal(t, search, searchStickers, gqlclient.Vars{"query": "a"}))
	assert.Equal(t, "FORBIDDEN", refusal(t, search, `mutation { stickerChosen(input: {query: "a", stickerId: "x"}) { counted } }`, nil))
	assert.Equal(t, "FORBIDDEN", refusal(t, search, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{votesOn("a", "b")}}))
}

// pagesOfTenor reads all pages, and calls between after the first.
func (w *world) pagesOfTenor(t testing.TB, between func(first tenorPage), path string, parameters ...string) (titles []string, pages int) {
	t.Helper()
	for next := ""; pages == 0 || next != ""; pages++ {
		require.Less(t, pages, 10)
		got := tenorOf[tenorPage](t, w, path, append(parameters, "limit", "4", "pos", next)...)
		require.LessOrEqual(t, len(got.Results), 4)
		titles, next = append(titles, got.titles()...), *got.Next
		if pages == 0 {
			between(got)
		}
	}
	return titles, pages
}

func TestPagesOfTenorGoTogetherToTheEnd(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	// So often does nobody's board change.
	faces := httptest.NewServer(tenor.New(tenor.Config{Verify: w.accounts.Verify, Search: w.search, Feedback: w.feedback, BoardLasts: 1}))
	t.Cleanup(faces.Close)
	changing := &world{parts: w.parts, URL: faces.URL, Machine: w.Machine}
	const all = 9
	for i := range all {
		w.captioned(t, w.Admin, "PUBLIC", fmt.Sprintf("%d.png", i), "round ball")
	}
	for _, shape := range []string{"all", "wide"} {
		for _, path := range []string{"search", "featured"} {
			var added string
			titles, pages := changing.pagesOfTenor(t, func(first tenorPage) {
				added = w.captioned(t, w.Admin, "PUBLIC", "new.png", "ball ball")
				for _, query := range []string{"", "round", "new"} {
					changing.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {added}, "q": {query}})
				}
				changing.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {first.Results[3].ID}})
				require.NoError(t, w.feedback.Flush(t.Context()))
				require.Equal(t, added, tenorOf[tenorPage](t, changing, path, "q", "ball").Results[0].ID)
			}, path, "q", "ball", "ar_range", shape)
			assert.Equal(t, 3, pages, path)
			assert.NotContains(t, titles, "new.png")
			slices.Sort(titles)
			assert.Equal(t, titles, slices.Compact(titles), "%s repeats none", path)
			assert.Len(t, titles, all, path)
			w.Admin.Must(t, `mutation($id: ID!) { deleteSticker(input: {id: $id}) { deletedId } }`, gqlclient.Vars{"id": added}, nil)
		}
	}
	for _, path := range []string{"search", "featured"} {
		none := tenorOf[tenorPage](t, w, path, "q", "ball", "ar_range", "standard")
		assert.Empty(t, none.Results, "the pictures are twice as wide as high")
		assert.Empty(t, *none.Next)
	}
	// One that another process answers, or that was forgotten, goes on where it was.
	place := base64.RawURLEncoding.EncodeToString([]byte(`{"b":"another","p":5,"i":"sticker_x"}`))
	assert.Len(t, tenorOf[tenorPage](t, w, "featured", "pos", place).Results, all-6)
	place = base64.RawURLEncoding.EncodeToString([]byte(`{"b":"another","p":1000,"i":"sticker_x"}`))
	assert.Empty(t, tenorOf[tenorPage](t, w, "featured", "pos", place).Results)
	assert.Len(t, tenorOf[tenorPage](t, w, "search", "q", "ball", "limit", "1").Results, 1)
	assert.Len(t, tenorOf[tenorPage](t, w, "search", "q", "ball", "limit", "50").Results, all)
}

func TestBadValuesOfTenorsParametersAreRefused(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for _, test := range []struct{ path, name, value, parameter string }{
		{"search", "limit", "0", "limit"}, {"search", "limit", "51", "limit"}, {"search", "limit", "x", "limit"}, {"search", "limit", "-1", "limit"},
		{"search", "q", "", "q"}, {"search", "q", strings.Repeat("a", 256), "q"}, {"search", "q", "\xff", "q"}, {"search", "q", strings.Repeat("é", 3000), "q"},
		{"search", "pos", "x", "pos"}, {"search", "pos", "eyJiIjoieCIsInAiOjF9", "pos"}, {"search", "ar_range", "narrow", "ar_range"},
		{"search", "locale", "_", "locale"}, {"search", "locale", "english", "locale"},
		{"featured", "limit", "51", "limit"}, {"featured", "pos", "x", "pos"}, {"featured", "pos", strings.Repeat("a", 500), "pos"}, {"featured", "pos", "eyJiIjoieCIsInAiOi0xfQ", "pos"},
		{"featured", "ar_range", "1", "ar_range"}, {"categories", "type", "new", "type"}, {"trending_terms", "limit", "0", "limit"},
		{"autocomplete", "limit", "0", "limit"}, {"autocomplete", "q", strings.Repeat("a", 256), "q"}, {"autocomplete", "", "", "q"}, {"search_suggestions", "", "", "q"},
		{"posts", "ids", "", "ids"}, {"posts", "ids", strings.Repeat(",", 50), "ids"},
		{"registershare", "id", "", "id"}, {"registershare", "id", "x", "id"}, {"registershare", "q", strings.Repeat("a", 256), "q"},
	} {
		parameters := url.Values{}
		if test.path == "search" {
			parameters.Set("q", "a")
		}
		parameters.Set(test.name, test.value)
		res, body := w.tenor(t, w.Machine, http.MethodGet, test.path, parameters)
		t.Log(test)
		refusedTenor(t, res, body, 400, "INVALID_ARGUMENT", "BAD_INPUT", test.parameter)
	}
	for path, method := range map[string]string{"search": http.MethodPost, "registershare": http.MethodDelete} {
		res, body := w.tenor(t, w.Machine, method, path, url.Values{"q": {"a"}})
		refusedTenor(t, res, body, 405, "UNIMPLEMENTED", "BAD_INPUT", "")
		assert.Contains(t, res.Header.Get("Allow"), http.MethodGet)
	}
	for _, path := range []string{"", "nothing", "search/x"} {
		res, body := w.tenor(t, w.Machine, http.MethodGet, path, url.Values{})
		refusedTenor(t, res, body, 404, "NOT_FOUND", "NOT_FOUND", "")
	}
}

func TestSharesAreCountedAndFeatured(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		ids := map[string]string{}
		for _, name := range []string{"a.png", "b.png", "c.png"} {
			ids[name] = w.captioned(t, w.Admin, "PUBLIC", name, "round ball")
		}
		other := w.key(t, auth.ScopeStickersSearch)
		for i, c := range []*gqlclient.Client{w.Machine, w.Machine, other} {
			res, body := w.tenor(t, c, []string{http.MethodGet, http.MethodPost}[i%2], "registershare", url.Values{"id": {ids["a.png"]}, "q": {" Ball"}, "locale": {"en_US"}})
			require.Equal(t, http.StatusOK, res.StatusCode)
			assert.JSONEq(t, `{}`, body)
			assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		}
		w.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {ids["b.png"]}})
		require.NoError(t, w.feedback.Flush(t.Context()))
		var got struct {
			SearchQueries struct {
				Nodes []struct {
					Text          string
					Usage, Chosen json.Number
				}
			}
		}
		w.Analyst.Must(t, `{ searchQueries(first: 10) { nodes { text usage chosen } } }`, nil, &got)
		require.Len(t, got.SearchQueries.Nodes, 1)
		assert.Equal(t, "ball", got.SearchQueries.Nodes[0].Text)
		assert.Equal(t, "2", got.SearchQueries.Nodes[0].Chosen.String(), "once of each key")
		assert.Equal(t, []string{"a.png", "b.png", "c.png"}, tenorOf[tenorPage](t, w, "featured").titles())
		res, body := w.tenor(t, w.Machine, http.MethodGet, "registershare", url.Values{"id": {"sticker_01M8JSHB456G34N2N0Y8GKDR3A"}})
		refusedTenor(t, res, body, 404, "NOT_FOUND", "NOT_FOUND", "")
	})
}
