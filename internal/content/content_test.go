package content_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/ent/gen/outbox"
	"parley/internal/apperr"
	"parley/internal/content"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/media"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// Where the system before took any word for a kind, and failed on a missing or long prompt
// later or not at all, nothing is queued (C2).
func TestC2BadInputIsRefusedAndNothingIsQueued(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		text := func(o content.TextOptions) content.RequestInput {
			return content.RequestInput{Prompt: "p", Kind: content.Text, Options: &content.Options{Text: &o}}
		}
		image := func(o content.ImageOptions) content.RequestInput {
			return content.RequestInput{Prompt: "p", Kind: content.Image, Options: &content.Options{Image: &o}}
		}
		for name, in := range map[string]content.RequestInput{
			"no prompt":            {Kind: content.Text},
			"only spaces":          {Prompt: " \n", Kind: content.Text},
			"a long prompt":        {Prompt: strings.Repeat("é", content.MaxPrompt+1), Kind: content.Text},
			"NUL":                  {Prompt: "a\x00b", Kind: content.Text},
			"no tokens":            text(content.TextOptions{MaxTokens: ptr(0)}),
			"many tokens":          text(content.TextOptions{MaxTokens: ptr(content.MaxTokens + 1)}),
			"cold":                 text(content.TextOptions{Temperature: ptr(-0.1)}),
			"no candidates":        text(content.TextOptions{Candidates: ptr(0)}),
			"a negative seed":      text(content.TextOptions{Seed: ptr(-1)}),
			"no width":             image(content.ImageOptions{Width: ptr(0)}),
			"a great height":       image(content.ImageOptions{Height: ptr(content.MaxSide + 1)}),
			"no steps":             image(content.ImageOptions{Steps: ptr(0)}),
			"many steps":           image(content.ImageOptions{Steps: ptr(content.MaxSteps + 1)}),
			"much guidance":        image(content.ImageOptions{Guidance: ptr(30.5)}),
			"a long negative":      image(content.ImageOptions{NegativePrompt: ptr(strings.Repeat("a", content.MaxNegative+1))}),
			"options for no text":  {Prompt: "p", Kind: content.Image, Options: &content.Options{Text: &content.TextOptions{}}},
			"options for no image": {Prompt: "p", Kind: content.Text, Options: &content.Options{Image: &content.ImageOptions{}}},
			"a long key":           {Prompt: "p", Kind: content.Text, IdempotencyKey: ptr(strings.Repeat("k", 201))},
		} {
			_, err := r.Request(r.as(owner), in)
			require.True(t, apperr.Is(err, apperr.BadInput), "%s: %v", name, err)
		}
		require.Zero(t, r.count())
		_, err := r.Request(r.as(owner), content.RequestInput{Prompt: strings.Repeat("é", content.MaxPrompt), Kind: content.Text})
		require.NoError(t, err)
	})
}

// A request fails with a reason and can be tried again (C3).
func TestC3AFailureHasAReasonAndAnotherTry(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Text)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultFailed, refusal))
		got := r.get(asked.ID)
		assert.Equal(t, content.Failed, got.State)
		assert.Equal(t, contentpart.StateFAILED, got.Edges.Parts[0].State)
		assert.Equal(t, "No.", *r.jobOf(asked, 0).ErrorMessage)

		_, err := r.Retry(r.as(stranger), asked.ID)
		r.refused(err, apperr.NotFound)
		w, err := r.Retry(r.as(owner), asked.ID)
		require.NoError(t, err)
		assert.Equal(t, content.Pending, w.Request.State)
		assert.Equal(t, asked.Edges.Parts[0].JobID, w.Request.Edges.Parts[0].JobID)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, written("A dog.", "end")))
		got = r.get(asked.ID)
		assert.Equal(t, content.Ready, got.State)
		assert.Equal(t, "A dog.", *got.Edges.Parts[0].Text)
		_, err = r.Retry(r.as(owner), asked.ID)
		r.refused(err, apperr.Conflict)
	})
}

// What is done is there at once, and the failure of one part leaves the other, which is
// tried again alone (C4).
func TestC4PartsAreSavedOneByOne(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Instagram)
		require.Len(t, asked.Edges.Parts, 2)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, written("A dog.", "end")))
		got := r.get(asked.ID)
		assert.Equal(t, content.Pending, got.State)
		assert.Equal(t, "A dog.", *got.Edges.Parts[0].Text, "before the picture is there")

		r.record(r.report(r.jobOf(asked, 1), jobspec.ResultFailed, refusal))
		assert.Equal(t, content.Partial, r.get(asked.ID).State)
		w, err := r.Retry(r.as(owner), asked.ID)
		require.NoError(t, err)
		assert.Equal(t, contentpart.StateREADY, w.Request.Edges.Parts[0].State, "what is there stays")
		assert.Equal(t, job.Succeeded, r.jobOf(asked, 0).State)

		// Both at once, twice: it is recorded once.
		done := r.report(r.jobOf(asked, 1), jobspec.ResultDone, drawn(t))
		r.record(done, done)
		r.record(done)
		got = r.get(asked.ID)
		assert.Equal(t, content.Ready, got.State)
		assert.EqualValues(t, 5, got.Version)
		m, err := r.media.Get(r.as(owner), *got.Edges.Parts[1].MediaID)
		require.NoError(t, err)
		assert.Equal(t, media.Private, m.Visibility)
		_, err = r.media.Get(r.as(stranger), m.ID)
		r.refused(err, apperr.NotFound)
	})
}

// Two results in one batch leave both parts.
func TestPartsOfOneBatchAreBothWritten(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Instagram)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, written("A dog.", "end")), r.report(r.jobOf(asked, 1), jobspec.ResultDone, drawn(t)))
		got := r.get(asked.ID)
		assert.Equal(t, content.Ready, got.State)
		assert.NotNil(t, got.Edges.Parts[0].Text)
		assert.NotNil(t, got.Edges.Parts[1].MediaID)
		recipe, err := content.RecipeOf(got.Edges.Parts[1])
		require.NoError(t, err)
		assert.Equal(t, &content.ImageRecipe{Width: 8, Height: 4, Steps: 4, Guidance: 8}, recipe.Image)
	})
}

// Requests belong to their owners (C6).
func TestC6RequestsOfOthersAreNotFound(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Text)
		for name, do := range map[string]func(ctx context.Context, id string) error{
			"get":        func(ctx context.Context, id string) error { _, err := r.Get(ctx, id); return err },
			"stop":       func(ctx context.Context, id string) error { _, err := r.Stop(ctx, id); return err },
			"cancel":     func(ctx context.Context, id string) error { _, err := r.Cancel(ctx, id); return err },
			"retry":      func(ctx context.Context, id string) error { _, err := r.Retry(ctx, id); return err },
			"delete":     func(ctx context.Context, id string) error { _, err := r.Delete(ctx, id); return err },
			"regenerate": func(ctx context.Context, id string) error { _, err := r.Regenerate(ctx, id, nil); return err },
			"reproduce":  func(ctx context.Context, id string) error { _, err := r.Reproduce(ctx, id, nil); return err },
		} {
			require.True(t, apperr.Is(do(r.as(stranger), asked.ID), apperr.NotFound), name)
			require.True(t, apperr.Is(do(r.as(owner), store.NewID("req")), apperr.NotFound), name)
			require.True(t, apperr.Is(do(r.as(owner), "1"), apperr.BadInput), name)
			require.True(t, apperr.Is(do(t.Context(), asked.ID), apperr.Unauthenticated), name)
		}
		assert.Equal(t, content.Pending, r.get(asked.ID).State)
		list, err := r.List(r.as(stranger), content.Filter{}, page.Args{})
		require.NoError(t, err)
		assert.Empty(t, list.Edges)
	})
}

func TestARepeatedCallGivesTheFirstRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := content.RequestInput{Prompt: "p", Kind: content.Instagram, IdempotencyKey: ptr("k")}
		first, err := r.Request(r.as(owner), in)
		require.NoError(t, err)
		again, err := r.Request(r.as(owner), in)
		require.NoError(t, err)
		assert.Equal(t, first.Request.ID, again.Request.ID)
		assert.Equal(t, first.Cursor, again.Cursor)
		assert.Len(t, again.Request.Edges.Parts, 2)
		assert.Equal(t, 2, r.count())
		in.Prompt = "q"
		_, err = r.Request(r.as(owner), in)
		r.refused(err, apperr.IdempotencyMismatch)
		in.Prompt = "p"
		r.announce() // the models are gone
		again, err = r.Request(r.as(owner), in)
		require.NoError(t, err)
		assert.Equal(t, first.Request.ID, again.Request.ID)
		r.announce(writer, painter)
		made, err := r.Regenerate(r.as(owner), first.Request.ID, ptr("k"))
		require.NoError(t, err)
		_, err = r.Delete(r.as(owner), first.Request.ID)
		require.NoError(t, err)
		once, err := r.Regenerate(r.as(owner), first.Request.ID, ptr("k"))
		require.NoError(t, err, "what it was made of is gone")
		assert.Equal(t, made.Request.ID, once.Request.ID)
		_, err = r.Request(r.as(owner), in)
		r.refused(err, apperr.NotFound)
	})
}

// Without a model nothing is queued, and what is missing is told.
func TestWithoutAModelARequestIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce(writer)
		_, err := r.Request(r.as(owner), content.RequestInput{Prompt: "p", Kind: content.Instagram})
		r.refused(err, apperr.ModelMissing)
		require.ErrorContains(t, err, "diffusers")
		require.Zero(t, r.count())
		all, err := r.Capabilities(r.as(owner))
		require.NoError(t, err)
		require.Len(t, all, 3)
		assert.True(t, all[0].Available)
		assert.Equal(t, []string{"writer"}, all[0].Models)
		assert.Nil(t, all[0].Missing)
		assert.False(t, all[2].Available)
		assert.Contains(t, *all[2].Missing, "diffusers")

		named := newRoom(t, r.store, content.Config{TextModel: "other"})
		_, err = named.Request(r.as(owner), content.RequestInput{Prompt: "p", Kind: content.Text})
		r.refused(err, apperr.ModelMissing)
		other := writer
		other.Name = "other"
		named.announce(writer, other)
		w, err := named.Request(r.as(owner), content.RequestInput{Prompt: "p", Kind: content.Text})
		require.NoError(t, err)
		assert.Contains(t, string(w.Request.Edges.Parts[0].Work), `"model":"other"`)
	})
}

// Before any worker was there a request waits for one.
func TestARequestWaitsForTheFirstWorker(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, content.Config{})
		asked := r.ask(content.Text)
		run, err := s.Client(r.system()).Run.Get(r.system(), r.jobOf(asked, 0).RunID)
		require.NoError(t, err)
		require.Empty(t, run.Pool)
		r.announce(writer)
		_, err = r.workers.Workers(r.system())
		require.NoError(t, err)
		assert.Equal(t, "writer", r.jobs.Route(run.Kind, run.Payload))
	})
}

// Only what has ended with something can be given on.
func TestAResultIsThereWhenNothingIsWaitedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Instagram)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, written("A dog.", "end")))
		_, _, err := r.Result(r.as(owner), asked.ID)
		r.refused(err, apperr.Conflict)
		r.record(r.report(r.jobOf(asked, 1), jobspec.ResultFailed, refusal))
		text, image, err := r.Result(r.as(owner), asked.ID)
		require.NoError(t, err)
		assert.Equal(t, "A dog.", text)
		assert.Nil(t, image)
		_, _, err = r.Result(r.as(stranger), asked.ID)
		r.refused(err, apperr.NotFound)
		failed := r.ask(content.Text)
		r.record(r.report(r.jobOf(failed, 0), jobspec.ResultFailed, refusal))
		_, _, err = r.Result(r.as(owner), failed.ID)
		r.refused(err, apperr.Conflict)
	})
}

// What comes too late changes nothing.
func TestLateResultsChangeNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cancelled, deleted := r.ask(content.Image), r.ask(content.Image)
		late := []jobspec.Result{r.report(r.jobOf(cancelled, 0), jobspec.ResultDone, drawn(t)), r.report(r.jobOf(deleted, 0), jobspec.ResultDone, drawn(t))}
		w, err := r.Cancel(r.as(owner), cancelled.ID)
		require.NoError(t, err)
		assert.Equal(t, content.Cancelled, w.Request.State)
		_, err = r.Delete(r.as(owner), deleted.ID)
		require.NoError(t, err)
		r.record(late...)
		assert.Equal(t, content.Cancelled, r.get(cancelled.ID).State)
		_, err = r.Get(r.as(owner), deleted.ID)
		r.refused(err, apperr.NotFound)
		n, err := r.store.Client(r.system()).Media.Query().Count(r.system())
		require.NoError(t, err)
		assert.Zero(t, n)
		_, err = r.Cancel(r.as(owner), cancelled.ID)
		require.NoError(t, err, "once more is nothing")
	})
}

// What is no picture fails its attempt and takes nothing else with it.
func TestAWorkersResultIsLookedAt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		bad, good := r.ask(content.Image), r.ask(content.Text)
		broken := drawn(t)
		broken.PNG = []byte("no picture")
		r.record(r.report(r.jobOf(bad, 0), jobspec.ResultDone, broken), r.report(r.jobOf(good, 0), jobspec.ResultDone, written("Yes.", "end")))
		assert.Equal(t, content.Ready, r.get(good.ID).State)
		assert.Equal(t, job.Queued, r.jobOf(bad, 0).State, "it is tried once more")
		r.record(r.report(r.jobOf(bad, 0), jobspec.ResultDone, jobspec.Drawn{}))
		assert.Equal(t, job.Dead, r.jobOf(bad, 0).State)
		assert.Equal(t, content.Failed, r.get(bad.ID).State)
		none := r.ask(content.Text)
		r.record(r.report(r.jobOf(none, 0), jobspec.ResultDone, jobspec.Written{}))
		assert.Equal(t, job.Queued, r.jobOf(none, 0).State)
	})
}

// A text that is being written is asked for, a picture and what was not begun are cancelled.
func TestStopAsksForATextThatIsBegun(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		waiting := r.ask(content.Text)
		w, err := r.Stop(r.as(owner), waiting.ID)
		require.NoError(t, err)
		assert.Equal(t, content.Cancelled, w.Request.State, "nothing is there of it")

		both := r.ask(content.Instagram)
		r.record(r.report(r.jobOf(both, 0), jobspec.ResultStarted, nil), r.report(r.jobOf(both, 1), jobspec.ResultStarted, nil))
		w, err = r.Stop(r.as(owner), both.ID)
		require.NoError(t, err)
		assert.Equal(t, content.Pending, w.Request.State)
		assert.Equal(t, contentpart.StateCANCELLED, w.Request.Edges.Parts[1].State)
		n, err := r.store.Client(r.system()).Outbox.Query().Where(outbox.ActionEQ(outbox.ActionSTOP), outbox.RunID(r.jobOf(both, 0).RunID)).Count(r.system())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		r.record(r.report(r.jobOf(both, 0), jobspec.ResultDone, written("A dog on", jobspec.EndStopped)))
		got := r.get(both.ID)
		assert.Equal(t, content.Stopped, got.State)
		assert.Equal(t, "A dog on", *got.Edges.Parts[0].Text)
		recipe, err := content.RecipeOf(got.Edges.Parts[0])
		require.NoError(t, err)
		assert.Equal(t, 5, recipe.Text.MaxTokens, "as many as there are")
	})
}

// A picture says in IPTC's words that a model made it, and how, unless that is switched off.
func TestPicturesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	const source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
	for _, unmarked := range []bool{false, true} {
		r := newRoom(t, dbtest.Open(t, dbtest.SQLite(t)), content.Config{Unmarked: unmarked})
		r.announce(painter)
		asked := r.ask(content.Image)
		from := drawn(t)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, from))
		m, err := r.media.Get(r.as(owner), *r.get(asked.ID).Edges.Parts[0].MediaID)
		require.NoError(t, err)
		object := r.media.Open(r.t.Context(), m)
		file, err := io.ReadAll(object)
		require.NoError(t, err)
		require.NoError(t, object.Close())
		if unmarked {
			assert.Equal(t, from.PNG, file)
			continue
		}
		_, err = png.Decode(bytes.NewReader(file))
		require.NoError(t, err, "with the checksums of its new parts")
		assert.Contains(t, string(file), source)
		assert.Contains(t, string(file), "iTXtXML:com.adobe.xmp\x00\x00\x00\x00\x00<?xpacket")
		at := bytes.Index(file, []byte("iTXtparley\x00"))
		require.Positive(t, at)
		var recipe content.Recipe
		require.NoError(t, json.NewDecoder(bytes.NewReader(file[at+len("iTXtparley\x00\x00\x00\x00\x00"):])).Decode(&recipe))
		assert.Equal(t, content.Recipe{Model: "painter", Digest: "bb", Runtime: "test 1", Prompt: "a dog on a beach", Seed: 2,
			Image: &content.ImageRecipe{Width: 8, Height: 4, Steps: 4, Guidance: 8}}, recipe)
	}
}

func TestWhatIsThereIsMadeAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Instagram)
		_, err := r.Reproduce(r.as(owner), asked.ID, nil)
		r.refused(err, apperr.Conflict)
		r.record(r.report(r.jobOf(asked, 1), jobspec.ResultDone, drawn(t)))
		w, err := r.Reproduce(r.as(owner), asked.ID, ptr("k"))
		require.NoError(t, err)
		assert.Equal(t, content.Image, w.Request.Kind, "that part of it which is there")
		assert.Equal(t, asked.ID, *w.Request.OriginID)
		var d jobspec.Draw
		require.NoError(t, json.Unmarshal(w.Request.Edges.Parts[0].Work, &d))
		assert.Equal(t, jobspec.Draw{Model: "painter", Digest: "bb", Prompt: "a dog on a beach", Steps: 4, Guidance: ptr(8.0), Width: 8, Height: 4, Seed: 2}, d)
		again, err := r.Reproduce(r.as(owner), asked.ID, ptr("k"))
		require.NoError(t, err)
		assert.Equal(t, w.Request.ID, again.Request.ID)

		// With other files the model is another one.
		changed := painter
		changed.Digest = "cc"
		r.announce(writer, changed)
		_, err = r.Reproduce(r.as(owner), asked.ID, nil)
		r.refused(err, apperr.Conflict)
		w, err = r.Regenerate(r.as(owner), asked.ID, nil)
		require.NoError(t, err)
		assert.Equal(t, content.Instagram, w.Request.Kind)
	})
}

// What was reproduced holds what came out, a request that is made of it what was wished.
func TestAReproducedRequestIsRegeneratedAsItWasWished(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		w, err := r.Request(r.as(owner), content.RequestInput{Prompt: "p", Kind: content.Text, Options: &content.Options{Text: &content.TextOptions{MaxTokens: ptr(77)}}})
		require.NoError(t, err)
		r.record(r.report(r.jobOf(w.Request, 0), jobspec.ResultDone, written("A dog on", jobspec.EndStopped)))
		again, err := r.Reproduce(r.as(owner), w.Request.ID, nil)
		require.NoError(t, err)
		work := string(again.Request.Edges.Parts[0].Work)
		assert.Contains(t, work, `"max_new_tokens":5`)
		assert.Contains(t, work, `"digest":"aa"`)
		r.record(r.report(r.jobOf(again.Request, 0), jobspec.ResultDone, written("A dog on", "length")))
		other, err := r.Regenerate(r.as(owner), again.Request.ID, nil)
		require.NoError(t, err)
		work = string(other.Request.Edges.Parts[0].Work)
		assert.Contains(t, work, `"max_new_tokens":77`)
		assert.NotContains(t, work, "digest")
	})
}

// A picture that its owner deleted does not keep the caption from being given on.
func TestADeletedPictureLeavesTheText(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Instagram)
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, written("A dog.", "end")), r.report(r.jobOf(asked, 1), jobspec.ResultDone, drawn(t)))
		_, err := r.media.Delete(r.as(owner), *r.get(asked.ID).Edges.Parts[1].MediaID)
		require.NoError(t, err)
		text, image, err := r.Result(r.as(owner), asked.ID)
		require.NoError(t, err)
		assert.Equal(t, "A dog.", text)
		assert.Nil(t, image)
	})
}

// Of several texts that were being written when they were stopped nobody knows where each was.
func TestCandidatesThatWereStoppedAreNotReproduced(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		asked := r.ask(content.Text)
		out := written("A dog", jobspec.EndStopped)
		out.Candidates = 8
		r.record(r.report(r.jobOf(asked, 0), jobspec.ResultDone, out))
		_, err := r.Reproduce(r.as(owner), asked.ID, nil)
		r.refused(err, apperr.Conflict)
	})
}

func TestRequestsAreListedByStateAndKind(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var asked []*gen.ContentRequest
		for _, k := range []content.Kind{content.Text, content.Image, content.Instagram, content.Text} {
			asked = append(asked, r.ask(k))
		}
		r.record(r.report(r.jobOf(asked[0], 0), jobspec.ResultDone, written("A dog.", "end")))
		ids := func(f content.Filter, args page.Args) (all []string) {
			p, err := r.List(r.as(owner), f, args)
			require.NoError(t, err)
			for _, e := range p.Edges {
				all = append(all, e.Node.ID)
				require.NotEmpty(t, e.Node.Edges.Parts)
			}
			return all
		}
		assert.Equal(t, []string{asked[3].ID, asked[2].ID, asked[1].ID, asked[0].ID}, ids(content.Filter{}, page.Args{}))
		assert.Equal(t, []string{asked[0].ID}, ids(content.Filter{States: []content.State{content.Ready}}, page.Args{}))
		assert.Equal(t, []string{asked[3].ID, asked[0].ID}, ids(content.Filter{Kinds: []content.Kind{content.Text}}, page.Args{}))
		first, err := r.List(r.as(owner), content.Filter{}, page.Args{First: ptr(3)})
		require.NoError(t, err)
		assert.True(t, first.HasNext)
		assert.Equal(t, []string{asked[0].ID}, ids(content.Filter{}, page.Args{First: ptr(3), After: &first.Edges[2].Cursor}))
	})
}

// A deletion takes pictures, jobs and an account's rows with it, and is told.
func TestADeletionLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		done, open := r.ask(content.Instagram), r.ask(content.Text)
		r.record(r.report(r.jobOf(done, 1), jobspec.ResultDone, drawn(t)))
		exported := map[string]int{}
		a := r.Domain().Account
		require.NoError(t, a.Export(r.system(), owner, func(kind string, row any) error {
			data, err := json.Marshal(row)
			require.NoError(t, err)
			assert.Contains(t, string(data), "a dog on a beach")
			exported[kind]++
			return nil
		}))
		assert.Equal(t, map[string]int{"ContentRequest": 2}, exported)
		w, err := r.Delete(r.as(owner), done.ID)
		require.NoError(t, err)
		events, err := r.log.Read(r.t.Context(), event.Filter{Audiences: []string{event.User(owner)}, After: w.Cursor.Position, Limit: 100})
		require.NoError(t, err)
		if !r.store.Postgres() { // where the relay gives events their positions
			require.NotEmpty(t, events)
			last := events[len(events)-1]
			assert.Equal(t, content.TypeContentChanged+" "+string(content.ActionDeleted)+" "+done.ID, last.Type+" "+last.State+" "+last.Object)
		}
		require.NoError(t, a.Delete(r.system(), owner))
		require.NoError(t, a.Delete(r.system(), owner), "once more is nothing")
		assert.Equal(t, job.Cancelled, r.jobOf(open, 0).State)
		for name, count := range map[string]func() (int, error){
			"requests": func() (int, error) { return r.store.Client(r.system()).ContentRequest.Query().Count(r.system()) },
			"parts":    func() (int, error) { return r.store.Client(r.system()).ContentPart.Query().Count(r.system()) },
			"pictures": func() (int, error) { return r.store.Client(r.system()).Media.Query().Count(r.system()) },
		} {
			n, err := count()
			require.NoError(t, err)
			assert.Zero(t, n, name)
		}
	})
}

// A prompt is counted where a worker tells, and taken where none does.
func TestAPromptThatLeavesNoRoomIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		_, err := r.CheckPrompt(r.as(owner), "p", content.Text)
		r.refused(err, apperr.Unavailable)
		r.ask(content.Text)
		answer := jobspec.PromptAnswer{Tokens: 100, Most: 77, Kept: 5}
		r.Ask = func(_ context.Context, subject string, _ any) (json.RawMessage, error) {
			if strings.Contains(subject, "bb") || strings.Contains(subject, "aa") {
				return json.Marshal(answer)
			}
			return nil, jobspec.ErrNoWorker
		}
		_, err = r.Request(r.as(owner), content.RequestInput{Prompt: "a cat in a hat", Kind: content.Text})
		r.refused(err, apperr.BadInput)
		require.ErrorContains(t, err, "100 tokens")
		r.ask(content.Image) // which is cut
		reads := r.Ask
		r.Ask = func(_ context.Context, _ string, q any) (json.RawMessage, error) {
			if asked, ok := q.(jobspec.PromptQuery); ok && asked.Draw != nil && asked.Draw.Width == 63 {
				return nil, &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "A side of 63 pixels can't be drawn."}
			}
			return json.Marshal(answer)
		}
		_, err = r.Request(r.as(owner), content.RequestInput{Prompt: "a cat", Kind: content.Image, Options: &content.Options{Image: &content.ImageOptions{Width: ptr(63)}}})
		r.refused(err, apperr.BadInput)
		require.ErrorContains(t, err, "63 pixels")
		r.Ask = reads
		checks, err := r.CheckPrompt(r.as(owner), "a cat in a hat", content.Image)
		require.NoError(t, err)
		require.Len(t, checks, 1)
		assert.Equal(t, &content.PromptCheck{Kind: contentpart.KindIMAGE, Model: "painter", Tokens: 100, MaxTokens: ptr(77), Cut: ptr("in a hat")}, checks[0])
		answer = jobspec.PromptAnswer{Tokens: 3, Most: 77, Kept: 14}
		checks, err = r.CheckPrompt(r.as(owner), "a cat in a hat", content.Instagram)
		require.NoError(t, err)
		require.Len(t, checks, 2)
		assert.Nil(t, checks[1].Cut)
	})
}
