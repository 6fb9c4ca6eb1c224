package tenor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/search"
	"parley/internal/sticker"
)

// listed is a public sticker with tags.
func listed(id string, tags ...string) search.Listed {
	folded := map[string]bool{}
	for _, tag := range tags {
		folded[sticker.FoldTag(tag)] = true
	}
	return search.Listed{Sticker: &sticker.Sticker{Sticker: gen.Sticker{ID: id, Tags: tags}}, Folded: folded}
}

func TestABoardShowsThePopularAndThenTheNewest(t *testing.T) {
	t.Parallel()
	all := []search.Listed{listed("e", "pet"), listed("d", "Pet", "cat"), listed("c", "sea"), listed("b", "PET"), listed("a", "cat", "sea")}
	b := newBoard(all, []string{"gone", "b", "c"})
	assert.Equal(t, []string{"b", "c", "e", "d", "a"}, b.stickers)
	assert.Equal(t, []group{{"PET", "b"}, {"cat", "d"}, {"sea", "c"}}, b.common)
	assert.Equal(t, []group{{"PET", "b"}, {"sea", "c"}, {"cat", "d"}}, b.trending)
	assert.Equal(t, b.name, newBoard([]search.Listed{listed("c"), listed("b"), listed("e"), listed("d"), listed("a")}, []string{"b", "c"}).name)
	assert.NotEqual(t, b.name, newBoard(all, nil).name)

	// The sticker that stands for one tag stands for another where that has no other.
	b = newBoard([]search.Listed{listed("b", "x", "y"), listed("a", "x", "y", "z")}, nil)
	assert.Equal(t, []group{{"x", "b"}, {"y", "a"}, {"z", "a"}}, b.common)
	none := newBoard(nil, []string{"gone"})
	assert.Empty(t, none.stickers)
	assert.Empty(t, none.common)
}

func TestABoardIsBounded(t *testing.T) {
	t.Parallel()
	var all []search.Listed
	for i := range mostFeatured + 10 {
		all = append(all, listed(fmt.Sprint(i), fmt.Sprint("tag ", i%200)))
	}
	b := newBoard(all, nil)
	assert.Len(t, b.stickers, mostFeatured)
	assert.Len(t, b.common, mostTerms)
	assert.Len(t, b.trending, mostTerms)
}

func FuzzPlace(f *testing.F) {
	b := newBoard([]search.Listed{listed("b"), listed("a")}, nil)
	f.Add(place{b.name, 0, "b"}.text())
	f.Add("eyJiIjoieCIsInAiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil {
			assert.Equal(t, apperr.BadInput, apperr.CodeOf(err))
			return
		}
		if at := p.in(b); at < 0 || at > len(b.stickers) {
			t.Fatalf("%q gives the place %d", text, at)
		}
	})
}

func TestAPlaceIsBehindItsSticker(t *testing.T) {
	t.Parallel()
	b := newBoard([]search.Listed{listed("c"), listed("b"), listed("a")}, nil)
	p, err := parsePlace(place{b.name, 1, "b"}.text())
	require.NoError(t, err)
	assert.Equal(t, 2, p.in(b))
	other := newBoard([]search.Listed{listed("b"), listed("a")}, nil)
	assert.Equal(t, 1, p.in(other), "behind the same sticker")
	assert.Equal(t, 2, p.in(newBoard([]search.Listed{listed("x"), listed("y"), listed("z")}, nil)), "or where it was")
	assert.Equal(t, 0, p.in(newBoard(nil, nil)))
}

// ask answers an address with a handler that has nothing behind it but the keys.
func ask(h *Handler, address string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const secret = auth.KeyPrefix + "ThisMustNotBeSeenAnywhere"

// The address of a request holds the key: neither errors nor the log may repeat it.
func TestNothingRepeatsAKey(t *testing.T) { //nolint:paralleltest // it changes the log of the process
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	for _, test := range []struct {
		err  error
		code int
		name string
	}{
		{errors.New("the disk burns"), 500, "INTERNAL"}, {apperr.New(apperr.Unavailable, "Later."), 503, "UNAVAILABLE"},
		{apperr.New(apperr.Unauthenticated, "No."), 401, "UNAUTHENTICATED"}, {fmt.Errorf("wait: %w", context.DeadlineExceeded), 504, "DEADLINE_EXCEEDED"},
		{apperr.Wrap(errors.New("cause"), apperr.Conflict, "Not foreseen."), 500, "INTERNAL"}, {context.Canceled, 500, "INTERNAL"},
	} {
		h := New(Config{Verify: func(_ context.Context, given string) (auth.Viewer, error) {
			assert.Equal(t, secret, given)
			return auth.Viewer{}, test.err
		}})
		for _, rest := range []string{"", "&q=%zz", "&q=a;b"} {
			w := ask(h, "/v2/search?key="+secret+rest)
			if rest == "" {
				var got failure
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
				assert.Equal(t, test.code, w.Code)
				assert.Equal(t, test.name, got.Error.Status)
				assert.NotContains(t, w.Body.String(), "burns")
				assert.NotContains(t, w.Body.String(), "cause")
			} else {
				assert.Equal(t, http.StatusBadRequest, w.Code)
			}
			assert.NotContains(t, w.Body.String(), secret)
			assert.NotContains(t, fmt.Sprint(w.Header()), secret)
		}
	}
	assert.Contains(t, log.String(), "the disk burns")
	assert.NotContains(t, log.String(), secret)
}

func TestARefusalSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	h := New(Config{Verify: func(context.Context, string) (auth.Viewer, error) {
		return auth.Viewer{}, apperr.Limited(1500*time.Millisecond, "Too much.")
	}})
	w := ask(h, "/v2/search?key="+secret)
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.Equal(t, "2", w.Header().Get("Retry-After"))
	assert.JSONEq(t, `{"error": {"code": 429, "message": "Too much.", "status": "RESOURCE_EXHAUSTED",
		"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMITED", "domain": "parley"}]}}`, w.Body.String())
}

func TestParametersAreRead(t *testing.T) {
	t.Parallel()
	read := func(query url.Values, change ...func(*http.Request)) *request {
		r := httptest.NewRequest(http.MethodGet, "http://stickers.example.com:81/v2/search?"+query.Encode(), nil)
		for _, c := range change {
			c(r)
		}
		q, err := parse(r)
		require.NoError(t, err)
		return q
	}
	assert.Equal(t, "http://stickers.example.com:81", read(nil).base)
	for said, scheme := range map[string]string{"HTTPS": "https", "https, http": "https", "http,https": "http", "javascript": "http"} {
		assert.Equal(t, scheme+"://stickers.example.com:81", read(nil, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", said) }).base)
	}
	_, err := parse(&http.Request{URL: &url.URL{}})
	assert.Equal(t, apperr.BadInput, apperr.CodeOf(err), "without a host")

	for locale, want := range map[string]string{"en_US": "en", "pt-BR": "pt", "de": "de", "zh_TW": "zh"} {
		got, err := read(url.Values{"locale": {locale}}).language()
		require.NoError(t, err, locale)
		assert.Equal(t, want, *got)
	}
	got, err := read(nil).language()
	require.NoError(t, err)
	assert.Nil(t, got)
	for text, want := range map[string]int{"": 20, "1": 1, "50": 50} {
		n, err := read(url.Values{"limit": {text}}).limit()
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	assert.Nil(t, read(nil).formats())
	assert.Equal(t, map[string]bool{"gif": true, "mp4": true}, read(url.Values{"media_filter": {"gif, mp4"}}).formats())
}

func TestRangesKeepTheStickersWithinThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		width, height  int
		wide, standard bool
	}{{100, 100, true, true}, {56, 100, true, true}, {55, 100, true, false}, {42, 100, true, false}, {41, 100, false, false}, {236, 100, true, false}, {237, 100, false, false}, {1, 0, true, true}} {
		one := &sticker.Sticker{Picture: &gen.Media{Width: test.width, Height: test.height}}
		assert.True(t, shapes["all"].has(one))
		assert.Equal(t, test.wide, shapes["wide"].has(one), "%+v", test)
		assert.Equal(t, test.standard, shapes["standard"].has(one), "%+v", test)
	}
}

// A board is made at most once a minute, while those wait who ask for it.
func BenchmarkBoardOf100000(b *testing.B) {
	all := make([]search.Listed, 100_000)
	var popular []string
	for i := range all {
		all[i] = listed(fmt.Sprintf("sticker_%08d", i), fmt.Sprint("a", i%10), fmt.Sprint("b", i%1000), fmt.Sprint("c", i%50_000), strings.Repeat("d", i%5+1))
		if i%100 == 0 {
			popular = append(popular, all[i].ID)
		}
	}
	for b.Loop() {
		newBoard(all, popular)
	}
}
