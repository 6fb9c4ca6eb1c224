package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/indexing"
	"parley/internal/search"
	"parley/internal/sticker"
	"parley/internal/sticker/demo"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

const searchStickers = `query($query: String, $like: ID, $image: ID, $first: Int, $after: Cursor, $filter: StickerSearchFilter, $learned: Boolean! = true, $typing: Boolean! = false) {
	searchStickers(query: $query, stickerId: $like, imageId: $image, first: $first, after: $after, filter: $filter, learned: $learned, typing: $typing) {
		degraded confidence nothingFits index model totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
		nodes { name } edges { cursor score matched { words picture votes voteCount } node { id name url caption tags } } } }`

type foundStickers struct {
	SearchStickers struct {
		Degraded, NothingFits bool
		Confidence            *float64
		Index, Model          *string
		TotalCount            int
		PageInfo              struct {
			HasNextPage, HasPreviousPage bool
			EndCursor                    *string
		}
		Edges []struct {
			Cursor  string
			Score   float64
			Matched struct {
				Words, Picture, Votes float64
				VoteCount             int
			}
			Node struct {
				ID, Name, URL, Caption string
				Tags                   []string
			}
		}
	}
}

func (f foundStickers) names() (names []string) {
	for _, e := range f.SearchStickers.Edges {
		names = append(names, e.Node.Name)
	}
	return names
}

func (w *world) find(t testing.TB, c *gqlclient.Client, vars gqlclient.Vars) (got foundStickers) {
	t.Helper()
	c.Must(t, searchStickers, vars, &got)
	return got
}

// refusal gives the code of what an operation is refused with.
func refusal(t testing.TB, c *gqlclient.Client, query string, vars gqlclient.Vars) string {
	t.Helper()
	r, err := c.Do(t.Context(), query, vars)
	require.NoError(t, err)
	return r.Code()
}

// captioned adds a sticker with words.
func (w *world) captioned(t testing.TB, c *gqlclient.Client, visibility, name, caption string, tags ...string) string {
	t.Helper()
	got := addStickers(t, c, visibility, named{name, pictureFile(t, 1)})
	require.Nil(t, got.AddStickers.Results[0].Error, name)
	id := got.AddStickers.Results[0].Sticker.ID
	c.Must(t, `mutation($id: ID!, $caption: String, $tags: [String!]) { updateSticker(input: {id: $id, caption: $caption, tags: $tags}) { cursor } }`,
		gqlclient.Vars{"id": id, "caption": caption, "tags": append([]string{}, tags...)}, nil)
	return id
}

// Without a worker there are words, at once and marked as such (S2).
func TestS2WithoutAWorkerStickersAreFoundByWords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.captioned(t, w.Admin, "PUBLIC", "pets.png", "Cats & dogs", "animal", "Pet")
		cat := w.captioned(t, w.Admin, "PUBLIC", "cat.png", "black cat", "animal")
		w.captioned(t, w.Admin, "PUBLIC", "sun.png", "sun", "weather")
		got := w.find(t, w.Owner, gqlclient.Vars{"query": "cats & dogs"})
		assert.Equal(t, []string{"pets.png"}, got.names(), "the whole query was looked for")
		assert.True(t, got.SearchStickers.Degraded)
		assert.Nil(t, got.SearchStickers.Index)
		assert.InDelta(t, 1, got.SearchStickers.Edges[0].Score, 1e-9)
		assert.InDelta(t, 1, got.SearchStickers.Edges[0].Matched.Words, 1e-9)
		assert.Equal(t, []string{"cat.png"}, w.find(t, w.Owner, gqlclient.Vars{"query": "  ＣＡＴ\t"}).names())
		assert.Equal(t, []string{"cat.png", "pets.png"}, sorted(w.find(t, w.Owner, gqlclient.Vars{"query": "ca", "typing": true}).names()))
		assert.Empty(t, w.find(t, w.Owner, gqlclient.Vars{"query": "ca"}).names())
		assert.Equal(t, []string{"pets.png"}, w.find(t, w.Owner, gqlclient.Vars{"query": "animal", "filter": gqlclient.Vars{"tags": []string{"PET"}}}).names())
		assert.Empty(t, w.find(t, w.Owner, gqlclient.Vars{"query": "animal", "filter": gqlclient.Vars{"mine": true}}).names())
		assert.Equal(t, []string{"cat.png", "pets.png"}, sorted(w.find(t, w.Admin, gqlclient.Vars{"query": "animal", "filter": gqlclient.Vars{"mine": true}}).names()))
		assert.Len(t, w.find(t, w.Owner, gqlclient.Vars{"like": cat}).names(), 1, "another one of the same words")

		w.Admin.Must(t, `mutation($id: ID!) { updateSticker(input: {id: $id, caption: "tiger", tags: []}) { cursor } }`, gqlclient.Vars{"id": cat}, nil)
		assert.Equal(t, []string{"cat.png"}, w.find(t, w.Owner, gqlclient.Vars{"query": "tiger"}).names(), "at once")
		assert.Empty(t, w.find(t, w.Owner, gqlclient.Vars{"query": "black"}).names())
		w.Admin.Must(t, `mutation($id: ID!) { deleteSticker(input: {id: $id}) { deletedId } }`, gqlclient.Vars{"id": cat}, nil)
		assert.Empty(t, w.find(t, w.Owner, gqlclient.Vars{"query": "tiger"}).names())
	})
}

func sorted(names []string) []string { slices.Sort(names); return names }

// What is private is neither found nor counted, suggested or hinted at for others.
func TestPrivateStickersAreFoundByTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.captioned(t, w.Admin, "PUBLIC", "rose.png", "red rose", "flower")
		before := w.find(t, w.Stranger, gqlclient.Vars{"query": "red rose"})
		private := w.captioned(t, w.Owner, "PRIVATE", "tulip.png", "red tulip rose", "flower", "hollandaise")
		assert.Equal(t, []string{"tulip.png"}, w.find(t, w.Owner, gqlclient.Vars{"query": "tulip"}).names())
		assert.Equal(t, []string{"tulip.png"}, w.find(t, w.Owner, gqlclient.Vars{"query": "red", "filter": gqlclient.Vars{"mine": true}}).names())
		for _, other := range []*gqlclient.Client{w.Stranger, w.Admin} {
			got := w.find(t, other, gqlclient.Vars{"query": "tulip"})
			assert.Empty(t, got.names())
			assert.Zero(t, got.SearchStickers.TotalCount)
			assert.Equal(t, before.SearchStickers, w.find(t, other, gqlclient.Vars{"query": "red rose"}).SearchStickers, "not even the scores tell")
			assert.Equal(t, "NOT_FOUND", refusal(t, other, searchStickers, gqlclient.Vars{"like": private}))
			var suggested struct{ SearchSuggestions []string }
			other.Must(t, `{ searchSuggestions(prefix: "holl") }`, nil, &suggested)
			assert.Empty(t, suggested.SearchSuggestions)
		}
		var suggested struct{ SearchSuggestions []string }
		w.Owner.Must(t, `{ searchSuggestions(prefix: "red holl") }`, nil, &suggested)
		assert.Equal(t, []string{"red hollandaise"}, suggested.SearchSuggestions)
		var counted struct {
			SearchQueries struct{ Nodes []struct{ Text string } }
		}
		w.find(t, w.Owner, gqlclient.Vars{"query": "hollandaise"})
		require.NoError(t, w.feedback.Flush(t.Context()))
		w.Analyst.Must(t, `{ searchQueries { nodes { text } } }`, nil, &counted)
		assert.NotContains(t, fmt.Sprint(counted), "hollandaise", "analysts don't read what somebody's stickers are called")
		assert.Contains(t, fmt.Sprint(counted), "red rose")
		w.Stranger.Must(t, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{{"query": "tulip", "positive": []string{private, "tulip.png"}}}}, nil)
		var mixed struct{ Search struct{ TotalCount int } }
		w.Stranger.Must(t, `{ search(query: "tulip") { totalCount } }`, nil, &mixed)
		assert.Zero(t, mixed.Search.TotalCount)
	})
}

func TestSearchesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for name, vars := range map[string]gqlclient.Vars{
		"nothing":         {},
		"two things":      {"query": "a", "like": "sticker_01M8JSHB456G34N2N0Y8GKDR3A"},
		"no words":        {"query": " \t "},
		"too long":        {"query": strings.Repeat("ü", 256)},
		"much too long":   {"query": strings.Repeat("x", 1<<14)},
		"no characters":   {"query": "a\x00b"},
		"no sticker":      {"like": "sticker"},
		"no page":         {"query": "a", "first": 0},
		"a large page":    {"query": "a", "first": 101},
		"no place":        {"query": "a", "after": "x"},
		"another's place": {"query": "a", "after": "eyJ3IjoiIiwicCI6LTEsImkiOiIifQ"},
		"many tags":       {"query": "a", "filter": gqlclient.Vars{"tags": strings.Split(strings.Repeat("t,", 9), ",")}},
	} {
		assert.Equal(t, "BAD_INPUT", refusal(t, w.Owner, searchStickers, vars), name)
	}
	assert.Equal(t, "NOT_FOUND", refusal(t, w.Owner, searchStickers, gqlclient.Vars{"like": "sticker_01M8JSHB456G34N2N0Y8GKDR3A"}))
	assert.Equal(t, "NOT_FOUND", refusal(t, w.Owner, searchStickers, gqlclient.Vars{"image": "media_01M8JSHB456G34N2N0Y8GKDR3A"}))
	assert.Equal(t, "BAD_INPUT", refusal(t, w.Owner, `{ searchSuggestions(prefix: "a", first: 0) }`, nil))
	assert.Equal(t, "BAD_INPUT", refusal(t, w.Owner, `{ search(query: "") { totalCount } }`, nil))
}

func TestPagesOfASearchGoTogether(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for i := range 9 {
		w.captioned(t, w.Admin, "PUBLIC", fmt.Sprintf("%d.png", i), "round ball")
	}
	all := w.find(t, w.Owner, gqlclient.Vars{"query": "ball"})
	require.Len(t, all.names(), 9)
	var names []string
	var after *string
	for page := range 3 {
		got := w.find(t, w.Owner, gqlclient.Vars{"query": "ball", "first": 4, "after": after})
		assert.Equal(t, 9, got.SearchStickers.TotalCount)
		assert.Equal(t, page > 0, got.SearchStickers.PageInfo.HasPreviousPage)
		assert.Equal(t, page < 2, got.SearchStickers.PageInfo.HasNextPage)
		names, after = append(names, got.names()...), got.SearchStickers.PageInfo.EndCursor
		if page == 0 {
			w.captioned(t, w.Admin, "PUBLIC", "new.png", "ball ball")
		}
	}
	assert.Equal(t, all.names(), names, "what comes in between does not move what was shown")
	assert.Equal(t, "new.png", w.find(t, w.Owner, gqlclient.Vars{"query": "ball"}).names()[0])
}

// six begins a world with a model in which six stickers have nothing but their pictures.
func six(t *testing.T, settings ...string) *world {
	t.Helper()
	w := begin(t, dbtest.SQLite(t), Options{}, append([]string{
		"models", testkit.Shared(t, "models", "sticker-mini"), "onnxruntime-lib", testkit.ONNX(t), "query-deadline", "20s",
	}, settings...)...)
	for one, err := range demo.Stickers() {
		require.NoError(t, err)
		if at := slices.Index([]string{"red-apple.png", "dog-face.png", "automobile.png", "rocket.png", "snowman.png", "pizza.png"}, one.Name); at >= 0 {
			addStickers(t, w.Admin, "PUBLIC", named{fmt.Sprintf("%d.png", at), string(one.File)})
		}
	}
	w.embedded(t, sticker.SourceStickers, indexing.Picture, 6)
	return w
}

// embedded waits until so many vectors are there.
func (w *world) embedded(t testing.TB, source string, side indexing.Side, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		g, ok := w.follower.Active()
		return ok && g.Len(t.Context(), source, side) == n
	}, 2*time.Minute, 20*time.Millisecond)
}

// What the stickers show is found without a word, and votes change the order (S1).
func TestS1StickersAreFoundByWhatTheyShowAndVotesCount(t *testing.T) {
	t.Parallel()
	w := six(t)
	const all = 6
	for query, name := range map[string]string{"an apple": "0.png", "puppy": "1.png", "car": "2.png", "spaceship": "3.png", "winter": "4.png", "something to eat with cheese": "5.png"} {
		got := w.find(t, w.Owner, gqlclient.Vars{"query": query})
		require.Len(t, got.names(), all, query)
		assert.Equal(t, name, got.names()[0], query)
		assert.False(t, got.SearchStickers.Degraded)
		assert.Equal(t, "sticker-mini", *got.SearchStickers.Model)
		assert.Greater(t, got.SearchStickers.Edges[0].Matched.Picture, 0.9, query)
	}
	apple := w.find(t, w.Owner, gqlclient.Vars{"query": "an apple"}).SearchStickers.Edges
	like := w.find(t, w.Owner, gqlclient.Vars{"like": apple[0].Node.ID})
	assert.NotContains(t, like.names(), "0.png")
	assert.Len(t, like.names(), all-1)

	last := apple[len(apple)-1].Node
	for _, c := range []*gqlclient.Client{w.Owner, w.Stranger, w.Admin, w.Analyst} {
		c.Must(t, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{{"query": "An  Apple", "positive": []string{last.ID}, "negative": []string{apple[0].Node.Name}}}}, nil)
	}
	first := apple[0]
	require.Eventually(t, func() bool {
		first = w.find(t, w.Owner, gqlclient.Vars{"query": "an apple"}).SearchStickers.Edges[0]
		return first.Node.Name == last.Name && first.Matched.VoteCount == 4
	}, time.Minute, 20*time.Millisecond, "the votes are heard of")
	assert.Positive(t, first.Matched.Votes)
	plain := w.find(t, w.Owner, gqlclient.Vars{"query": "an apple", "learned": false})
	assert.Equal(t, "0.png", plain.names()[0])
}

// From enough votes the search learns when nothing fits.
func TestAnAnswerSaysWhenNothingFits(t *testing.T) {
	t.Parallel()
	w := six(t, "search-confidence", "50")
	queries := [][]string{
		{"apple", "red fruit", "fruit tree", "healthy snack"}, {"dog", "puppy", "barking pet", "cute dog"}, {"car", "automobile", "driving", "traffic"},
		{"rocket", "space", "launch", "astronaut"}, {"snowman", "snow", "winter", "christmas"}, {"pizza", "italian food", "cheese", "lunch"},
	}
	var items []gqlclient.Vars
	for i, texts := range queries {
		for _, text := range texts {
			items = append(items, gqlclient.Vars{"query": text, "positive": []string{fmt.Sprint(i, ".png")}, "negative": []string{fmt.Sprint((i+1)%6, ".png"), fmt.Sprint((i+3)%6, ".png")}})
		}
	}
	assert.Nil(t, w.find(t, w.Owner, gqlclient.Vars{"query": "orchard"}).SearchStickers.Confidence, "nobody said anything")
	w.Owner.Must(t, reportVotes, gqlclient.Vars{"items": items}, nil)
	w.embedded(t, search.SourceQueries, indexing.Words, len(items))
	require.Eventually(t, func() bool {
		require.NoError(t, w.search.Calibrate(t.Context()))
		c := w.find(t, w.Owner, gqlclient.Vars{"query": "red apples"}).SearchStickers.Confidence
		return c != nil && *c > 0.5
	}, time.Minute, 20*time.Millisecond)
	for _, query := range []string{"quarterly tax declaration", "hereinafter", "42"} {
		got := w.find(t, w.Owner, gqlclient.Vars{"query": query, "learned": false}).SearchStickers
		require.NotNil(t, got.Confidence, query)
		assert.Less(t, *got.Confidence, 0.5, query)
		assert.True(t, got.NothingFits, query)
		assert.Empty(t, got.Edges, query)
		assert.Zero(t, got.TotalCount, query)
	}
}

func TestASearchOverSeveralKindsFindsNotesAndPostsToo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		w.captioned(t, w.Admin, "PUBLIC", "apple.png", "red apple")
		for _, c := range []*gqlclient.Client{w.Owner, w.Stranger} {
			c.Must(t, `mutation { createNote(input: {title: "Apple cake", text: "butter", language: "en"}) { cursor } }`, nil, nil)
		}
		w.Stranger.Must(t, `mutation { createPost(input: {title: "An APPLE a day"}) { cursor } }`, nil, nil)
		w.Analyst.Must(t, `mutation { createPost(input: {title: "Apples of mine"}) { cursor } }`, nil, nil)
		w.Owner.Must(t, `mutation($id: ID!) { block(input: {userId: $id}) { cursor } }`, gqlclient.Vars{"id": w.IDs[w.Analyst]}, nil)
		type found struct {
			Search struct {
				TotalCount int
				Degraded   bool
				PageInfo   struct {
					HasNextPage bool
					EndCursor   *string
				}
				Nodes []struct {
					Typename    string `json:"__typename"`
					Name, Title string
				}
			}
		}
		const query = `query($after: Cursor, $kinds: [SearchKind!]) { search(query: "apple", first: 1, after: $after, kinds: $kinds) { totalCount degraded pageInfo { hasNextPage endCursor }
			nodes { __typename ... on Sticker { name } ... on Note { title } ... on Post { title } } } }`
		var one, two, three, notes, posts found
		w.Owner.Must(t, query, nil, &one)
		assert.Equal(t, 3, one.Search.TotalCount)
		assert.True(t, one.Search.Degraded)
		w.Owner.Must(t, query, gqlclient.Vars{"after": one.Search.PageInfo.EndCursor}, &two)
		w.Owner.Must(t, query, gqlclient.Vars{"after": two.Search.PageInfo.EndCursor}, &three)
		assert.False(t, three.Search.PageInfo.HasNextPage)
		types := []string{one.Search.Nodes[0].Typename, two.Search.Nodes[0].Typename, three.Search.Nodes[0].Typename}
		assert.ElementsMatch(t, []string{"Note", "Sticker", "Post"}, types)
		w.Owner.Must(t, query, gqlclient.Vars{"kinds": []string{"POST"}}, &posts)
		require.Equal(t, 1, posts.Search.TotalCount, "that of a blocked author is none")
		assert.Equal(t, "An APPLE a day", posts.Search.Nodes[0].Title)
		w.Owner.Must(t, query, gqlclient.Vars{"kinds": []string{"NOTE"}}, &notes)
		require.Equal(t, 1, notes.Search.TotalCount)
		assert.Equal(t, "Apple cake", notes.Search.Nodes[0].Title)
	})
}
