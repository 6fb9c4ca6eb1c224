package app

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/feedback"
	"parley/internal/testkit/dbtest"
)

const reportVotes = `mutation($items: [FeedbackItemInput!]!) { reportFeedback(input: {items: $items}) { results { saved failed error { code message } } cursor } }`

func votesOn(query string, positive ...string) gqlclient.Vars {
	return gqlclient.Vars{"query": query, "positive": positive}
}

// One query for each row: so it was in the system before (S7).
func TestAPageOfFeedbackIsOneStatement(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	var ids []string
	for i := range 20 {
		ids = append(ids, addSticker(t, w.parts, fmt.Sprint(i, ".png")))
	}
	w.Owner.Must(t, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{votesOn("Cat ", ids...), votesOn("dog", ids[:3]...)}}, nil)
	page := func(first int) (n int64, rows int) {
		var got struct {
			SearchFeedback struct {
				Nodes []struct {
					Query     struct{ Text string }
					Sticker   struct{ ID, Name string }
					Positives int
				}
			}
		}
		before := w.queries.Load()
		w.Analyst.Must(t, `query($n: Int!) { searchFeedback(query: "cat", first: $n) { nodes { query { text usage } sticker { id name } positives negatives updatedAt } } }`,
			gqlclient.Vars{"n": first}, &got)
		for _, f := range got.SearchFeedback.Nodes {
			require.Equal(t, "cat", f.Query.Text)
			require.Contains(t, ids, f.Sticker.ID)
			require.Equal(t, 1, f.Positives)
		}
		return w.queries.Load() - before, len(got.SearchFeedback.Nodes)
	}
	few, rows := page(1)
	require.Equal(t, 1, rows)
	many, rows := page(20)
	require.Equal(t, 20, rows)
	require.Equal(t, few, many, "statements for a page of 1 and of 20")
}

func TestAnalystsDownloadFeedback(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cat := addSticker(t, w.parts, "cat.png")
		w.Owner.Must(t, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{votesOn("=1+1", cat)}}, nil)
		get := func(c *gqlclient.Client, path string) (*http.Response, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/export/feedback"+path, nil)
			require.NoError(t, err)
			if c.Token != "" {
				r.Header.Set("Authorization", "Bearer "+c.Token)
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res, string(body)
		}
		res, body := get(w.Analyst, ".csv")
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, `attachment; filename="feedback.csv"`, res.Header.Get("Content-Disposition"))
		rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, []string{"'=1+1", "0", cat, "cat.png", "1", "0"}, rows[1][:6])
		res, body = get(w.Admin, ".jsonl?since=2026-01-01T00:00:00Z")
		require.Equal(t, "application/jsonl; charset=utf-8", res.Header.Get("Content-Type"))
		require.Contains(t, body, `"query":"=1+1"`)
		_, body = get(w.Admin, ".jsonl?until=2026-01-01T00:00:00Z")
		require.Empty(t, body)
		for path, want := range map[string]int{".csv?since=x": 400, ".csv?query=x": 400, ".xml": 404} {
			res, _ := get(w.Analyst, path)
			require.Equal(t, want, res.StatusCode, path)
		}
		for c, want := range map[*gqlclient.Client]int{w.Owner: 403, w.Machine: 403, w.Anonymous: 401} {
			res, _ := get(c, ".csv")
			require.Equal(t, want, res.StatusCode)
		}
		var out bytes.Buffer
		n, err := ExportFeedback(t.Context(), w.cfg, &out, feedback.JSONL, nil, nil)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		line, err := bufio.NewReader(&out).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, cat)
	})
}

func TestAnalystsHearOfVotes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		cat := addSticker(t, w.parts, "cat.png")
		const ask = `subscription($after: EventCursor) { events(topics: [STICKERS], after: $after) { cursor ... on SearchFeedbackChanged { query { text positives negatives } } } }`
		head, err := w.log.Head(t.Context())
		require.NoError(t, err)
		after := gqlclient.Vars{"after": w.log.Cursor(head).String()}
		team := []*gqlclient.Stream{w.Analyst.MustDial(t).Subscribe(t, ask, after), w.Admin.MustDial(t).Subscribe(t, ask, after)}
		w.Owner.Must(t, reportVotes, gqlclient.Vars{"items": []gqlclient.Vars{votesOn("Cat", cat)}}, nil)
		for _, s := range team {
			r, _ := s.Next(t)
			require.NoError(t, r.Err())
			require.Contains(t, string(r.Data), `"query":{"text":"cat","positives":1,"negatives":0}`)
		}
		for _, c := range []*gqlclient.Client{w.Owner, w.Stranger} {
			r, err := c.Do(t.Context(), `query($after: EventCursor) { eventsSince(after: $after, topics: [STICKERS]) { events { __typename } } }`, after)
			require.NoError(t, err)
			require.JSONEq(t, `{"eventsSince":{"events":[]}}`, string(r.Data))
		}
	})
}

func TestVisitorsAreToldApartByACookieWhereTheyMayVote(t *testing.T) {
	t.Parallel()
	for _, anonymous := range []string{"on", "off"} {
		w := begin(t, dbtest.SQLite(t), Options{}, "anonymous-search", anonymous, "anonymous-rate", "4")
		cat := addSticker(t, w.parts, "cat.png")
		vote := func(cookie *http.Cookie, header ...string) (body string, issued *http.Cookie) {
			query := fmt.Sprintf(`{"query": "mutation { reportFeedback(input: {items: [{query: \"cat\", positive: [\"%s\"]}]}) { results { saved } } }"}`, cat)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/graphql", strings.NewReader(query))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			if cookie != nil {
				r.AddCookie(cookie)
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			for _, c := range res.Cookies() {
				issued = c
			}
			return string(text), issued
		}
		body, issued := vote(nil)
		if anonymous == "off" {
			require.Contains(t, body, "UNAUTHENTICATED")
			require.Nil(t, issued)
			continue
		}
		require.Contains(t, body, `"saved":1`)
		require.NotNil(t, issued)
		require.True(t, issued.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, issued.SameSite)
		body, again := vote(issued)
		require.Contains(t, body, `"saved":1`)
		require.Nil(t, again, "it has one")
		_, another := vote(&http.Cookie{Name: issued.Name, Value: "forged." + issued.Value})
		require.NotNil(t, another)
		require.NotEqual(t, issued.Value, another.Value)
		body, _ = vote(issued, "Sec-Fetch-Site", "cross-site")
		require.Contains(t, body, "UNAUTHENTICATED", "a page of another site votes for nobody")
		votes := database(t, w.parts)["votes"]
		require.Len(t, votes, 2)
		require.True(t, strings.HasPrefix(votes[0]["voter"], feedback.VisitorPrefix))
		vote(nil)
		body, _ = vote(nil)
		require.Contains(t, body, "RATE_LIMITED", "of all visitors of the address")
		require.Contains(t, body, "retryAfter")
	}
}
