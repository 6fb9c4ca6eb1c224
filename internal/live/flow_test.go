package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/live"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/testkit/dbtest"
	"parley/worker"
)

func noop() worker.Handler {
	return worker.NewNoop("pool", []jobspec.Direction{{Source: "en", Target: "es"}, {Source: "en", Target: "fr"}})
}

// works runs everything, with a real worker.
func (h *house) works(handler worker.Handler) {
	h.t.Helper()
	h.run()
	background(h.t, (&outbox.Recorder{Jobs: h.jobs, Workers: h.workers, Outbox: h.outbox, Bus: h.bus}).Run)
	w, err := worker.New(worker.Config{Bus: h.bus, Handlers: []worker.Handler{handler}})
	require.NoError(h.t, err)
	background(h.t, w.Run)
	h.ready()
}

// askFor makes notes and asks for their translations, several at once. then
// gets each job.
func (h *house) askFor(ctx context.Context, n int, then func(id string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	language := "en"
	for i := range n {
		g.Go(func() error {
			w, err := h.notes.Create(ctx, note.CreateNoteInput{Title: "t", Text: fmt.Sprint(i), Language: &language})
			if err != nil {
				return err
			}
			jobs, _, err := h.notes.Translate(ctx, note.TranslateNoteInput{NoteID: w.Note.ID, Languages: []string{"es"}})
			if err != nil {
				return err
			}
			return then(jobs[0].ID)
		})
	}
	return g.Wait()
}

// watchTheEnd follows a job and checks what it is told.
func (h *house) watchTheEnd(ctx context.Context, id string) error {
	updates, err := h.streams.Job(ctx, id)
	if err != nil {
		return err
	}
	var last *live.JobUpdate
	for u := range updates {
		switch {
		case last != nil && u.Version <= last.Version:
			return fmt.Errorf("job %s: version %d after %d", id, u.Version, last.Version)
		case last != nil && u.Cursor.Position < last.Cursor.Position:
			return fmt.Errorf("job %s: cursor %d after %d", id, u.Cursor.Position, last.Cursor.Position)
		}
		last = u
	}
	if last == nil || last.Job.State != job.Succeeded {
		return fmt.Errorf("job %s: the last message is %+v", id, last)
	}
	return nil
}

func TestSubscribingAfterAMutationNeverMissesTheEndHoweverFastTheWorkerIs(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.works(noop())
		ctx, cancel := context.WithTimeout(as(t, owner), 2*patience)
		defer cancel()
		require.NoError(t, h.askFor(ctx, 500, func(id string) error { return h.watchTheEnd(ctx, id) }))
		require.Zero(t, h.hub.Subscriptions(), "a stream leaves the hub before it ends")
	})
}

// reader collects a stream of events until the one that ends the test, taking
// it up anew after every so many when again is not 0.
func (h *house) reader(ctx context.Context, again int, end <-chan string, topics ...string) ([]event.Event, error) {
	var all []event.Event
	show := func(e *live.Event) event.Event { return e.Event }
	after, last := h.log.Cursor(0), ""
	for {
		ctx, cancel := context.WithCancel(ctx)
		from := after // the stream reads it while what comes moves after on
		events, err := live.Events(ctx, h.streams, live.EventsAsk{After: &from, Topics: topics}, show)
		for n := 0; err == nil && (again == 0 || n < again); n++ {
			select {
			case e, open := <-events:
				if !open {
					err = fmt.Errorf("the stream ended after %d events", len(all))
					break
				}
				all = append(all, e)
				after.Position = e.Position
			case last = <-end:
				end = nil
			}
			if last != "" && len(all) > 0 && all[len(all)-1].Object == last {
				cancel()
				return all, nil
			}
		}
		cancel()
		if err != nil {
			return all, err
		}
	}
}

// complete checks that what came is the log without double, and without hole
// but for states on their way that a newer one of their object replaced.
func complete(t testing.TB, log, got []event.Event) {
	t.Helper()
	next := 0
	newer := map[string]int64{}
	for _, e := range got {
		newer[e.Object] = e.Position
	}
	for _, e := range log {
		if next < len(got) && got[next].Position == e.Position {
			next++
			continue
		}
		passing := e.Type == job.TypeJobChanged && !job.Final(job.State(e.State)) ||
			e.Type == note.TypeTranslationChanged && e.State == "PENDING"
		require.True(t, passing && newer[e.Object] > e.Position, "lost %+v", e)
	}
	require.Len(t, got, next, "something came twice, out of order or from nowhere")
}

func TestEventsAreWholeWhileJobsRunAndReadersComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.works(noop())
		ctx, cancel := context.WithTimeout(as(t, owner), 2*patience)
		defer cancel()
		readers := []struct {
			again  int
			topics []string
		}{{0, nil}, {1, nil}, {7, nil}, {50, nil}, {0, []string{note.TopicNotes}}, {11, []string{note.TopicNotes}}}
		got := make([][]event.Event, len(readers))
		ends := make([]chan string, len(readers))
		var g errgroup.Group
		for i, r := range readers {
			ends[i] = make(chan string, 1)
			g.Go(func() (err error) {
				got[i], err = h.reader(ctx, r.again, ends[i], r.topics...)
				return err
			})
		}
		require.NoError(t, h.askFor(ctx, 200, func(id string) error { return h.watchTheEnd(ctx, id) }))
		last := h.note("the last one")
		for _, end := range ends {
			end <- last.ID
		}
		require.NoError(t, g.Wait())
		log := h.read(0)
		require.GreaterOrEqual(t, len(log), 200*5)
		for i, r := range readers {
			var mine []event.Event
			for _, e := range log {
				if len(r.topics) == 0 || e.Topic == r.topics[0] {
					mine = append(mine, e)
				}
			}
			complete(t, mine, got[i])
		}
	})
}

// slow is a Handler that says a word whenever it is told to go on.
type slow struct {
	worker.Handler
	words <-chan string
}

func (s slow) Handle(ctx context.Context, task worker.Task, report func(float64, string)) (json.RawMessage, error) {
	text, n := "", 0.0
	for {
		select {
		case word, more := <-s.words:
			if !more {
				return s.Handler.Handle(ctx, task, report)
			}
			text, n = text+word, n+1
			report(n/10, text)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestTextOfARealWorkerGrowsUntilTheResultIsThere(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		words := make(chan string)
		h.works(slow{noop(), words})
		j := h.ask("text")
		updates := h.follow(as(t, owner), j)
		text := ""
		for _, word := range []string{"uno ", "dos ", "tres"} {
			words <- word
			for !strings.HasSuffix(text, word) {
				u := next(t, updates)
				if u.PartialText != nil {
					require.Equal(t, job.Running, u.Job.State)
					require.True(t, strings.HasPrefix(*u.PartialText, text), "%q after %q", *u.PartialText, text)
					text = *u.PartialText
				}
			}
		}
		close(words)
		u := next(t, updates)
		for !job.Final(u.Job.State) {
			u = next(t, updates)
		}
		require.Equal(t, job.Succeeded, u.Job.State)
		ends(t, updates)
	})
}

func TestCancelledWorkEndsItsStream(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		words := make(chan string)
		h.works(slow{noop(), words})
		j := h.ask("text")
		updates := h.follow(as(t, owner), j)
		words <- "it runs"
		_, err := h.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		u := next(t, updates)
		for !job.Final(u.Job.State) {
			u = next(t, updates)
		}
		require.Equal(t, job.Cancelled, u.Job.State)
		ends(t, updates)
	})
}

func TestEndedSubscribersLeaveNothingBehindEvenWhenStuck(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		jobs, _ := h.translate(n, "es")
		ctx, cancel := context.WithCancel(as(t, owner))
		defer cancel()
		var left sync.WaitGroup
		for range 5 {
			updates, translations, events := h.follow(ctx, jobs[0]), h.translations(ctx, n, nil), h.events(ctx, h.at(0))
			left.Go(func() { // nobody reads before the end
				<-ctx.Done()
				for range updates {
				}
				for range translations {
				}
				for range events {
				}
			})
		}
		h.start(jobs[0])
		require.NotZero(t, h.hub.Subscriptions())
		cancel()
		left.Wait()
		require.Zero(t, h.hub.Subscriptions(), "a stream leaves the hub before it ends")
	})
}

func TestHubIsNotDeafAfterABatchThatClaimsTooMuch(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.runHub()
		h.ready()
		w := h.watch(event.User(owner))
		defer w.Close()
		h.note("one")
		first := h.read(0)
		h.publish(1000, first...)
		require.Equal(t, []int64{1}, upTo(t, w, 1))
		h.note("two")
		h.publish(1, h.read(1)...)
		require.Equal(t, []int64{2}, upTo(t, w, 2))
	})
}

func TestTextsOfReportsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, dbtest.Open(t, dbtest.SQLite(t)), embedded(t))
	h.hub.KeepPartialBytes(100_000)
	h.runHub()
	h.ready()
	text := strings.Repeat("x", 10_000)
	for i := range 30 {
		run := fmt.Sprint("run_", i)
		w := h.watch(run)
		h.progress(run, 1, 0.4, text[1:])
		h.progress(run, 1, 0.5, text)
		h.hears(w, run, text)
	}
	require.Equal(t, int64(100_000), h.hub.PartialBytes())
	_, ok := h.hub.Progress("run_0")
	require.False(t, ok, "the oldest makes room")
}

func TestTranslationStreamThatBreaksWithinThePresentOnesResumesWithTheRest(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		n := h.note("one")
		h.translate(n, "es", "fr", "de")
		h.position()
		whole := h.translations(as(t, owner), n, nil)
		require.Equal(t, "de1 PENDING", said(next(t, whole)))
		second := next(t, whole)
		require.Equal(t, "es1 PENDING", said(second))
		rest := h.translations(as(t, owner), n, &second.Cursor)
		for said(next(t, rest)) != "fr1 PENDING" {
			continue // at least once
		}
		last := next(t, whole)
		require.Equal(t, "fr1 PENDING", said(last))
		none := h.translations(as(t, owner), n, &last.Cursor)
		jobs, _ := h.translate(n, "it")
		require.Len(t, jobs, 1)
		require.Equal(t, "it1 PENDING", said(next(t, none)), "who has all gets only what is new")
	})
}

func TestResumedTranslationStreamTellsOfOlderOnesThatChangedUnseen(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		background(t, h.relay.Run)
		stop := h.runHub()
		h.ready()
		n := h.note("one")
		jobs, _ := h.translate(n, "es")
		h.finish(jobs[0])
		updates := h.translations(as(t, owner), n, h.at(h.position()))
		stop()
		text := "another"
		_, err := h.notes.Update(as(t, owner), note.UpdateNoteInput{ID: n.ID, Text: &text})
		require.NoError(t, err)
		h.translate(n, "es")
		h.position()
		h.runHub()
		require.ElementsMatch(t, []string{"es1 STALE", "es2 PENDING"}, []string{said(next(t, updates)), said(next(t, updates))})
	})
}
