package app

import (
	"bytes"
	"crypto/sha256"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// studio begins a world whose worker writes and draws with these models.
func studio(t *testing.T, database string, models []string, settings ...string) *world {
	t.Helper()
	dir := t.TempDir()
	for _, name := range models {
		switch name {
		case "caption-mini": // that which ships
			require.NoError(t, os.Symlink(testkit.Model(t, name), filepath.Join(dir, name)))
		case talkative:
			talk(t, filepath.Join(dir, name))
		default:
			require.NoError(t, os.Symlink(testkit.Shared(t, "models", name), filepath.Join(dir, filepath.Base(name))))
		}
	}
	w := begin(t, database, Options{}, append([]string{"models", dir, "onnxruntime-lib", testkit.ONNX(t)}, settings...)...)
	require.Eventually(t, func() bool {
		bundles, err := w.workers.Living(t.Context())
		works := 0
		for _, b := range bundles {
			if b.Kind == jobspec.KindWrite || b.Kind == jobspec.KindDraw {
				works++
			}
		}
		return err == nil && works == len(models)
	}, time.Minute, 10*time.Millisecond, "the models are announced")
	return w
}

// talkative is caption-mini where it does not end before its greatest length, and writes one
// text at a time.
const talkative = "talkative"

func talk(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Model(t, "caption-mini"))))
	for name, content := range map[string]string{
		"parley.json":            `{"name": "talkative"}`,
		"generation_config.json": `{"do_sample": true, "temperature": 0.9, "eos_token_id": 3999, "pad_token_id": 3999, "max_new_tokens": 240, "min_new_tokens": 240}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "manifest.json")), "which has the digests of other files")
}

const contentFields = `fragment F on ContentRequest {
	id kind prompt state version text image { id url width height } of { id } origin
	jobs { id kind state } parts { kind state text image { url } job { id error { code message } }
	recipe { model digest runtime prompt seed text { maxTokens temperature topK topP repetitionPenalty candidates } image { width height steps guidance negativePrompt } } } }`

// made is a content request as clients read it.
type made struct {
	ID, Kind, Prompt, State string
	Version                 int64
	Text                    *string
	Image                   *struct {
		ID, URL       string
		Width, Height int
	}
	Of     *struct{ ID string }
	Origin *string
	Jobs   []struct{ ID, Kind, State string }
	Parts  []struct {
		Kind, State string
		Text        *string
		Job         *struct {
			ID    string
			Error *struct{ Code, Message string }
		}
		Recipe *struct {
			Model, Digest, Runtime, Prompt string
			Seed                           int
			Text                           *struct{ MaxTokens, TopK, Candidates int }
			Image                          *struct {
				Width, Height, Steps int
				Guidance             float64
			}
		}
	}
}

// update is a message of contentUpdated.
type update struct {
	ContentUpdated struct {
		Cursor      string
		Version     int64
		Request     made
		PartialText *string
		Progress    float64
		Preview     *struct{ URL string }
	}
}

// wish makes a content request of a client that nobody works on.
func (w *world) wish(t testing.TB, c *gqlclient.Client) made {
	t.Helper()
	w.pretend(t)
	return requestContent(t, c, gqlclient.Vars{"prompt": "a cat", "kind": "TEXT"})
}

// pretend announces a worker that writes, and is but a name.
func (w *world) pretend(t testing.TB) {
	t.Helper()
	require.NoError(t, w.workers.Announce(auth.System(t.Context(), "test"), jobspec.Announcement{
		Worker: "writer", At: time.Now(), Bundles: []jobspec.Bundle{{Name: "writer", Kind: jobspec.KindWrite, Pool: "writer"}},
	}))
}

func requestContent(t testing.TB, c *gqlclient.Client, input gqlclient.Vars) made {
	t.Helper()
	var got struct{ RequestContent struct{ Request made } }
	c.Must(t, `mutation($in: RequestContentInput!) { requestContent(input: $in) { request { ...F } cursor } } `+contentFields, gqlclient.Vars{"in": input}, &got)
	return got.RequestContent.Request
}

// onContent does one of the mutations that are about a request.
func onContent(t testing.TB, c *gqlclient.Client, mutation, id string) made {
	t.Helper()
	var got map[string]struct{ Request made }
	name := strings.ToUpper(mutation[:1]) + mutation[1:]
	c.Must(t, `mutation($in: `+name+`Input!) { `+mutation+`(input: $in) { request { ...F } cursor } } `+contentFields, gqlclient.Vars{"in": gqlclient.Vars{"requestId": id}}, &got)
	return got[mutation].Request
}

func watchContent(t testing.TB, c *gqlclient.Client, id string) (*gqlclient.Socket, *gqlclient.Stream) {
	t.Helper()
	s := c.MustDial(t)
	return s, s.Subscribe(t, `subscription($id: ID!) { contentUpdated(id: $id) { cursor version request { ...F } partialText progress preview { url } } } `+contentFields, gqlclient.Vars{"id": id})
}

// finish reads a subscription to its end and gives its messages. What it tells only grows.
func finish(t testing.TB, s *gqlclient.Stream) (all []update) {
	t.Helper()
	var last update
	for {
		var u update
		if !s.Read(t, &u) {
			require.NotEmpty(t, all)
			return all
		}
		now := u.ContentUpdated
		require.GreaterOrEqual(t, now.Version, last.ContentUpdated.Version)
		require.GreaterOrEqual(t, now.Progress, last.ContentUpdated.Progress)
		if now.PartialText != nil && last.ContentUpdated.PartialText != nil {
			require.True(t, strings.HasPrefix(*now.PartialText, *last.ContentUpdated.PartialText))
		}
		all, last = append(all, u), u
	}
}

func result(t testing.TB, c *gqlclient.Client, id string) made {
	t.Helper()
	_, s := watchContent(t, c, id)
	all := finish(t, s)
	return all[len(all)-1].ContentUpdated.Request
}

// fetch gives the bytes of a picture.
func (w *world) fetch(t testing.TB, c *gqlclient.Client, address string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+address, nil)
	require.NoError(t, err)
	if c != nil {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode, address)
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return data
}

// A caption and a picture of one prompt, each by a model of its own, pushed as they come.
func TestAPromptBecomesACaptionAndAPicture(t *testing.T) {
	t.Parallel()
	w := studio(t, dbtest.SQLite(t), []string{"caption-mini", "random/lcm-random"})
	asked := requestContent(t, w.Owner, gqlclient.Vars{"prompt": "a dog on a beach", "kind": "INSTAGRAM", "options": gqlclient.Vars{"image": gqlclient.Vars{"steps": 12}}})
	assert.Equal(t, "PENDING", asked.State)
	require.Len(t, asked.Jobs, 2)
	assert.Equal(t, []string{"write", "draw"}, []string{asked.Jobs[0].Kind, asked.Jobs[1].Kind})

	_, s := watchContent(t, w.Owner, asked.ID)
	all := finish(t, s)
	end := all[len(all)-1].ContentUpdated
	got := end.Request
	assert.Equal(t, "READY", got.State)
	assert.InDelta(t, 1, end.Progress, 0)
	assert.Nil(t, end.PartialText)
	assert.Nil(t, end.Preview)
	require.NotNil(t, got.Text)
	assert.NotEmpty(t, strings.TrimSpace(*got.Text))
	assert.Equal(t, strings.TrimSpace(*got.Text), *got.Text)
	require.NotNil(t, got.Image)

	text, image := got.Parts[0].Recipe, got.Parts[1].Recipe
	assert.Equal(t, "caption-mini", text.Model)
	assert.Equal(t, "a dog on a beach =>", text.Prompt)
	assert.Equal(t, 8, text.Text.Candidates)
	assert.Equal(t, "lcm-random", image.Model)
	assert.Equal(t, "a dog on a beach", image.Prompt)
	assert.Equal(t, 12, image.Image.Steps)
	for _, digest := range []string{text.Digest, image.Digest} {
		assert.Len(t, digest, 64)
	}

	// The picture says what it is.
	file := w.fetch(t, w.Owner, got.Image.URL)
	config, err := png.DecodeConfig(bytes.NewReader(file))
	require.NoError(t, err)
	assert.Equal(t, []int{got.Image.Width, got.Image.Height}, []int{config.Width, config.Height})
	assert.Contains(t, string(file), "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
	assert.Contains(t, string(file), `"seed":`)

	// The same bytes come out again, others with another seed.
	again := result(t, w.Owner, onContent(t, w.Owner, "reproduce", asked.ID).ID)
	assert.Equal(t, "REPRODUCED", *again.Origin)
	assert.Equal(t, asked.ID, again.Of.ID)
	assert.Equal(t, got.Text, again.Text)
	assert.Equal(t, sha256.Sum256(file), sha256.Sum256(w.fetch(t, w.Owner, again.Image.URL)))
	other := result(t, w.Owner, onContent(t, w.Owner, "regenerate", asked.ID).ID)
	assert.Equal(t, "REGENERATED", *other.Origin)
	assert.Equal(t, 12, other.Parts[1].Recipe.Image.Steps)
	assert.NotEqual(t, image.Seed, other.Parts[1].Recipe.Seed)
	assert.NotEqual(t, file, w.fetch(t, w.Owner, other.Image.URL))

	// Of its result a stranger sees nothing.
	for _, q := range []string{
		`query($id: ID!) { contentRequest(id: $id) { id } }`, `query($id: ID!) { node(id: $id) { id } }`,
	} {
		r, err := w.Stranger.Do(t.Context(), q, gqlclient.Vars{"id": asked.ID})
		require.NoError(t, err)
		assert.NotContains(t, string(r.Data), asked.ID)
	}
}

// The text is shown while it grows, to whoever comes, and whoever comes back is told all.
func TestATextGrowsBeforeTheEyesOfAllItsReaders(t *testing.T) {
	t.Parallel()
	w := studio(t, dbtest.SQLite(t), []string{talkative})
	asked := requestContent(t, w.Owner, gqlclient.Vars{"prompt": "once upon a time", "kind": "TEXT", "options": gqlclient.Vars{"text": gqlclient.Vars{"seed": 7}}})
	first, s := watchContent(t, w.Owner, asked.ID)
	seen := ""
	for seen == "" {
		var u update
		require.True(t, s.Read(t, &u), "it ended before anything was told")
		if p := u.ContentUpdated.PartialText; p != nil {
			seen = *p
		}
	}
	first.Close()

	_, s = watchContent(t, w.Owner, asked.ID)
	all := finish(t, s)
	got := all[len(all)-1].ContentUpdated.Request
	require.Equal(t, "READY", got.State)
	assert.True(t, strings.HasPrefix(*got.Text, seen), "what was told before the drop stays")
	told := 0
	for _, u := range all {
		if p := u.ContentUpdated.PartialText; p != nil {
			told++
			assert.True(t, strings.HasPrefix(*got.Text, *p))
		}
	}
	t.Logf("%d of %d messages after the drop had a text so far", told, len(all))
	assert.Equal(t, 7, got.Parts[0].Recipe.Seed)
	assert.Equal(t, *got.Text, *result(t, w.Owner, onContent(t, w.Owner, "reproduce", asked.ID).ID).Text)
}

// Whoever stops a text keeps what there is of it, and can have just that again.
func TestAStoppedTextIsAUsableResult(t *testing.T) {
	t.Parallel()
	w := studio(t, dbtest.SQLite(t), []string{talkative, "random/lcm-random"})
	asked := requestContent(t, w.Owner, gqlclient.Vars{"prompt": "a long story", "kind": "TEXT"})
	_, s := watchContent(t, w.Owner, asked.ID)
	for {
		var u update
		require.True(t, s.Read(t, &u))
		if u.ContentUpdated.PartialText != nil {
			break
		}
	}
	other := w.session(t, w.IDs[w.Owner], "USER") // another device
	onContent(t, other, "stopContent", asked.ID)
	all := finish(t, s)
	got := all[len(all)-1].ContentUpdated.Request
	require.Equal(t, "STOPPED", got.State)
	assert.Equal(t, "SUCCEEDED", got.Jobs[0].State)
	assert.NotEmpty(t, *got.Text)
	assert.Less(t, got.Parts[0].Recipe.Text.MaxTokens, 240)
	assert.Equal(t, "STOPPED", onContent(t, w.Owner, "stopContent", asked.ID).State, "once more is nothing")
	again := result(t, w.Owner, onContent(t, w.Owner, "reproduce", asked.ID).ID)
	assert.Equal(t, *got.Text, *again.Text)
	assert.Equal(t, "READY", again.State)
}

// A job that waits says where it stands, and when it will probably have ended.
func TestAJobThatWaitsSaysWhereItStands(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		line := make([]string, 12)
		for i := range line {
			line[i] = w.wish(t, w.Owner).Jobs[0].ID
		}
		type job struct {
			State         string
			QueuePosition *int
			Forecast      *struct {
				Earliest, Latest time.Time
				Samples          int
			}
		}
		look := func(id string) job {
			var got struct{ Job job }
			w.Owner.Must(t, `query($id: ID!) { job(id: $id) { state queuePosition forecast { earliest latest samples } } }`, gqlclient.Vars{"id": id}, &got)
			return got.Job
		}
		// What is read for forecasts is shared for a moment.
		require.Eventually(t, func() bool {
			w.pretend(t)
			last := look(line[11])
			return last.QueuePosition != nil && *last.QueuePosition == 12
		}, time.Minute, 50*time.Millisecond)
		assert.Nil(t, look(line[11]).Forecast, "nothing was measured")
		for _, id := range line[:9] {
			j, err := w.jobs.Get(auth.System(t.Context(), "test"), id)
			require.NoError(t, err)
			require.NoError(t, w.jobs.Record(t.Context(), []jobspec.Result{{
				Run: j.RunID, Attempt: 1, Kind: j.Kind, Type: jobspec.ResultDone, Worker: "writer", StartedAt: time.Now().Add(-time.Minute), At: time.Now(),
				Payload: []byte(`{"texts": [{"text": "x", "tokens": 1, "end": "end"}], "model": "writer"}`),
			}}))
		}
		require.Eventually(t, func() bool {
			w.pretend(t)
			last := look(line[11])
			return last.QueuePosition != nil && *last.QueuePosition == 3 && last.Forecast != nil
		}, time.Minute, 50*time.Millisecond)
		f := look(line[11]).Forecast
		assert.Equal(t, 9, f.Samples)
		assert.WithinRange(t, f.Latest, time.Now().Add(2*time.Minute), time.Now().Add(5*time.Minute), "three minutes, or a little more")
		assert.False(t, f.Earliest.After(f.Latest))
		done := look(line[0])
		assert.Nil(t, done.QueuePosition)
		assert.Nil(t, done.Forecast)
	})
}

// What was made is published, with a picture of its own, and outlives the request.
func TestWhatWasMadeIsPublished(t *testing.T) {
	t.Parallel()
	w := studio(t, dbtest.SQLite(t), []string{"caption-mini", "random/lcm-random"})
	asked := requestContent(t, w.Owner, gqlclient.Vars{"prompt": "two elephants", "kind": "INSTAGRAM"})
	publish := gqlclient.Vars{"in": gqlclient.Vars{"requestId": asked.ID, "title": "Look", "idempotencyKey": "k"}}
	const mutation = `mutation($in: PublishContentInput!) { publishContent(input: $in) { post { id title content imageUrl author { id } } cursor } }`
	got := result(t, w.Owner, asked.ID)
	w.Stranger.Must(t, `mutation($id: ID!) { follow(input: { userId: $id }) { cursor } }`, gqlclient.Vars{"id": w.IDs[w.Owner]}, nil)
	type post struct {
		ID, Title, Content string
		ImageURL           *string
		Author             struct{ ID string }
	}
	var first, again struct{ PublishContent struct{ Post post } }
	w.Owner.Must(t, mutation, publish, &first)
	w.Owner.Must(t, mutation, publish, &again)
	assert.Equal(t, first, again)
	p := first.PublishContent.Post
	assert.Equal(t, *got.Text, p.Content)
	assert.Equal(t, "Look", p.Title)
	file := w.fetch(t, nil, *p.ImageURL)
	assert.Equal(t, w.fetch(t, w.Owner, got.Image.URL), file, "the same picture, for everybody")
	assert.Contains(t, string(file), "trainedAlgorithmicMedia")
	w.Owner.Must(t, `mutation($id: ID!) { deleteContent(input: { requestId: $id }) { deletedId } }`, gqlclient.Vars{"id": asked.ID}, nil)
	var feed struct{ Feed struct{ Nodes []post } }
	w.Stranger.Must(t, `{ feed { nodes { id title content imageUrl author { id } } } }`, nil, &feed)
	assert.Equal(t, []post{p}, feed.Feed.Nodes)
	assert.Equal(t, file, w.fetch(t, nil, *p.ImageURL))

	w.Owner.Must(t, mutation, publish, &again)
	assert.Equal(t, first, again, "also when the request is gone")
	for who, want := range map[*gqlclient.Client]string{w.Owner: "NOT_FOUND", w.Stranger: "NOT_FOUND"} {
		r, err := who.Do(t.Context(), mutation, gqlclient.Vars{"in": gqlclient.Vars{"requestId": asked.ID}})
		require.NoError(t, err)
		assert.Equal(t, want, r.Code())
	}
}
