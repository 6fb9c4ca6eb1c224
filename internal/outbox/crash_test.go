package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/dispatch"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/note"
	"parley/internal/outbox"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
	"parley/worker"
)

// known makes the plant know a worker without running one.
func (p *plant) known() {
	p.t.Helper()
	require.NoError(p.t, p.workers.Announce(p.t.Context(), jobspec.Announcement{Worker: "w", Bundles: []jobspec.Bundle{p.noop().Bundle()}}))
}

// half publishes what is due and dies before the database hears of it.
func (p *plant) half() []dispatch.Item {
	p.t.Helper()
	due, _, err := p.outbox.Prepare(p.t.Context(), 100)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, due)
	jobs := make([]jobspec.Job, len(due))
	for i, d := range due {
		jobs[i] = d.Job
	}
	for _, err := range p.bus.PublishJobs(p.t.Context(), jobs) {
		require.NoError(p.t, err)
	}
	return due
}

// empty waits until the outbox is.
func (p *plant) empty() {
	p.t.Helper()
	p.eventually("the outbox is empty", func() bool {
		n, err := p.store.Client(p.t.Context()).Outbox.Query().Count(system(p.t))
		return err == nil && n == 0
	})
}

func TestMessageThatWasPublishedBeforeACrashIsStoredOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.known()
		j := p.ask("one", "es")[0]
		p.half()
		p.runRelay()
		p.empty()
		info, err := p.bus.JetStream().Stream(t.Context(), jobspec.StreamJobs)
		require.NoError(t, err)
		state, err := info.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(1), state.State.Msgs)
		require.True(t, p.queued(j))
	})
}

// The relay purged the run before each second attempt: what it had published
// just before a crash was taken back, and publishing it again was a duplicate
// to the broker. The run had no message until the rescuer found it.
func TestSecondAttemptThatWasPublishedBeforeACrashIsNotTakenBack(t *testing.T) {
	onBoth(t, quick(), func(t *testing.T, p *plant) {
		p.known()
		j := p.ask("one", "es")[0]
		for _, d := range p.half() { // the first attempt's message is still there
			require.NoError(t, p.outbox.Done(t.Context(), []dispatch.Item{d}))
		}
		run := p.look(j).RunID
		require.NoError(t, p.jobs.Record(t.Context(), []jobspec.Result{{
			Run: run, Attempt: 1, Kind: jobspec.KindTranslate, Type: jobspec.ResultFailed, Worker: "w",
			Failure: &jobspec.Failure{Code: jobspec.CodeInternal, Message: "no"},
		}}))
		stop := p.runRelay()
		p.empty()
		stop()
		require.True(t, p.queued(j), "it took the first one's place")

		_, err := p.store.Exec(t.Context(), "INSERT INTO outbox (action, run_id, attempt, run_at) VALUES ('PUBLISH', ?, 2, ?)", run, store.Now())
		require.NoError(t, err)
		_, err = p.store.Exec(t.Context(), "UPDATE runs SET published_at = NULL WHERE id = ?", run)
		require.NoError(t, err)
		p.runRelay()
		p.empty()
		require.True(t, p.queued(j), "happening again changes nothing")
	})
}

func TestRunThatMovedToTheOtherLaneIsStoredOnce(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.known()
		n := p.note("one")
		bulk, _, err := p.notes.TranslateAll(as(t, owner), note.TranslateNotesInput{NoteIds: []string{n.ID}, Languages: []string{"es"}})
		require.NoError(t, err)
		stop := p.runRelay()
		p.empty()
		stop()
		_, _, err = p.notes.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"es"}})
		require.NoError(t, err)
		due := p.half()
		require.True(t, due[0].Job.Moved)
		p.runRelay()
		p.empty()
		subjects, err := p.bus.QueuedSubjects(t.Context(), jobspec.SubjectJobsAll)
		require.NoError(t, err)
		require.Equal(t, map[string]struct{}{
			jobspec.JobSubject(jobspec.KindTranslate, "pool", jobspec.LaneInteractive, bulk[0].RunID): {},
		}, subjects)
	})
}

func TestWorkOfAKilledWorkerIsDoneByAnother(t *testing.T) {
	for name, rescue := range map[string]bool{"handed out again by the broker": false, "found by the rescuer": true} {
		t.Run(name, func(t *testing.T) {
			cfg := job.Config{}
			if rescue {
				cfg = quick()
			}
			onBoth(t, cfg, func(t *testing.T, p *plant) {
				begun := make(chan struct{}, 1)
				victim := p.bus2()
				p.run()
				hold := make(chan struct{})
				t.Cleanup(func() { close(hold) })
				p.works(victim, p.scripted(func(ctx context.Context, _ worker.Task, _ func(float64, string)) error {
					begun <- struct{}{}
					<-hold
					return ctx.Err()
				}))
				j := p.ask("one", "es")[0]
				receive(t, begun)
				p.until(j, job.Running)
				victim.Conn().Close() // as when the process is gone
				p.works(p.bus, p.noop())
				p.until(j, job.Succeeded)
				require.Equal(t, "ONE", p.text(j))
			})
		})
	}
}

// bus2 is another connection to the plant's broker.
func (p *plant) bus2() *natsx.Bus {
	p.t.Helper()
	return connect(p.t, p.broker)
}

func TestBrokerThatLostItsStoreLosesNoJob(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, p *plant){
		"streams deleted": func(t *testing.T, p *plant) {
			for _, name := range []string{jobspec.StreamJobs, jobspec.StreamResults} {
				require.NoError(t, p.bus.JetStream().DeleteStream(t.Context(), name))
			}
			require.NoError(t, p.bus.JetStream().DeleteKeyValue(t.Context(), jobspec.BucketCancel))
		},
		"streams purged": func(t *testing.T, p *plant) {
			for _, name := range []string{jobspec.StreamJobs, jobspec.StreamResults} {
				s, err := p.bus.JetStream().Stream(t.Context(), name)
				require.NoError(t, err)
				require.NoError(t, s.Purge(t.Context()))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, quick(), func(t *testing.T, p *plant) {
				var held atomic.Bool
				held.Store(true)
				begun, release := make(chan struct{}, 100), make(chan struct{})
				p.run()
				w, err := worker.New(worker.Config{Bus: p.bus, Slots: 2, AckWait: 600 * time.Millisecond, Handlers: []worker.Handler{
					p.scripted(func(ctx context.Context, _ worker.Task, _ func(float64, string)) error {
						begun <- struct{}{}
						if !held.Load() {
							return nil
						}
						select {
						case <-release:
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}),
				}})
				require.NoError(t, err)
				background(t, w.Run)
				p.eventually("the worker is known", func() bool { ws, err := p.workers.Workers(t.Context()); return err == nil && len(ws) == 1 })
				var jobs []*gen.Job
				for i := range 4 {
					jobs = append(jobs, p.ask(fmt.Sprintf("text %d", i), "es", "fr")...)
				}
				receive(t, begun)
				receive(t, begun)
				p.empty()
				lose(t, p)
				held.Store(false)
				close(release)
				for _, j := range jobs {
					p.until(j, job.Succeeded, job.Dead)
					require.Equal(t, job.Succeeded, p.look(j).State, "%v", p.tries(j))
				}
			})
		})
	}
}

func TestJobsAskedForWhileTheBrokerIsAwayAreDoneLater(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		server := testkit.NATS(t)
		bus, err := natsx.Connect(t.Context(), server.URL(), natsx.Options{})
		require.NoError(t, err)
		t.Cleanup(bus.Close)
		require.NoError(t, bus.EnsureStreams(t.Context()))
		p := newPlant(t, s, bus, job.Config{})
		p.run()
		p.works(p.bus, p.noop())
		p.until(p.ask("before", "es")[0], job.Succeeded)
		server.Kill()
		j := p.ask("during", "es")[0]
		require.Equal(t, job.Queued, p.look(j).State)
		server.Restart()
		p.until(j, job.Succeeded)
		require.Equal(t, "DURING", p.text(j))
	})
}

// positions gives the positions of an audience's events in the order in which
// batches brought them.
func positions(batches []event.Batch) (all []int64) {
	for _, b := range batches {
		for _, e := range b.Events {
			all = append(all, e.Position)
		}
	}
	return all
}

// The relay that led before died after giving positions and before publishing:
// the next one says how far the shard is, so that hubs look for what they missed.
func TestEventsThatGotPositionsButWereNotPublishedAreAnnounced(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.note("one")
		_, err := p.log.Position(t.Context(), 100)
		require.NoError(t, err)
		head, err := p.log.Head(t.Context())
		require.NoError(t, err)
		require.Positive(t, head)
		p.runRelay()
		first := receive(t, p.rounds)
		require.Equal(t, event.Round{Epoch: p.log.Epoch(), Previous: head, Position: head}, first)
		p.note("two")
		next := receive(t, p.rounds)
		require.Equal(t, head, next.Previous, "no hole between them")
		require.Equal(t, head+1, next.Position)
		require.Equal(t, []int64{head + 1}, positions([]event.Batch{receive(t, p.events)}))
	})
}

// Each round goes on where the one before ended, comes behind its batches, and
// counts what they held.
func TestRoundsFormAChain(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.runRelay()
		for i := range 20 {
			p.note(fmt.Sprint(i))
		}
		at := receive(t, p.rounds).Position // the relay's first words
		for at < 20 {
			r := receive(t, p.rounds)
			require.Equal(t, at, r.Previous)
			var all []int64
			for shard, n := range r.Counts {
				for n > 0 {
					b := receive(t, p.events)
					require.Equal(t, p.log.Epoch(), b.Epoch)
					require.Equal(t, shard, b.Shard)
					for _, e := range b.Events {
						require.Equal(t, shard, event.ShardOf(e.Audience))
					}
					all = append(all, positions([]event.Batch{b})...)
					n -= len(b.Events)
				}
			}
			require.Len(t, all, int(r.Position-at))
			require.Equal(t, r.Position, all[len(all)-1])
			at = r.Position
		}
	})
}

func TestAnotherProcessTakesTheLead(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.Postgres(t))
	broker := embedded(t)
	a := newPlant(t, s, connect(t, broker), job.Config{})
	b := newPlant(t, s, connect(t, broker), job.Config{})
	a.run()
	a.until(a.ask("nobody does it", "es")[0], job.Queued)
	b.run()
	a.works(connect(t, broker), a.noop())
	for i := range 3 {
		a.until(a.ask(fmt.Sprintf("before %d", i), "es")[0], job.Succeeded)
		terminated := terminateLeader(t, s)
		require.Equal(t, 1, terminated, "one process leads")
		a.until(a.ask(fmt.Sprintf("after %d", i), "es")[0], job.Succeeded)
	}
	// All events have positions without gaps, in one order.
	_, err := a.log.Position(t.Context(), 1000)
	require.NoError(t, err)
	all, err := a.log.Read(t.Context(), event.Filter{Limit: 1000})
	require.NoError(t, err)
	for i, e := range all {
		require.Equal(t, int64(i+1), e.Position)
	}
}

// terminateLeader ends the database connections that hold the relay's lock. Postgres
// tells nobody that one has been taken.
func terminateLeader(t *testing.T, s *store.Store) int {
	t.Helper()
	n := 0
	require.Eventually(t, func() bool {
		n = 0
		err := s.Query(t.Context(), func(rows *sql.Rows) error {
			var gone bool
			if err := rows.Scan(&gone); err != nil {
				return err
			}
			n++
			return nil
		}, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = ? AND objid = ?",
			0x7061, 0x726c6579)
		return err == nil && n > 0
	}, patience, 20*time.Millisecond)
	return n
}

func TestCachesAreToldBeforeAnEventIsPublished(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		told := make(chan int64, 100)
		var deaf atomic.Int64
		deaf.Store(2)
		p.relay.Invalidate = func(_ context.Context, events []event.Event) error {
			if deaf.Add(-1) >= 0 {
				return fmt.Errorf("the cache is away")
			}
			for _, e := range events {
				told <- e.Position
			}
			return nil
		}
		p.runRelay()
		receive(t, p.rounds) // its first words: what is written before them is not published
		p.note("one")
		for _, e := range receive(t, p.events).Events {
			require.Equal(t, e.Position, receive(t, told), "a cache that was away is told later")
		}
		p.note("two")
		for _, e := range receive(t, p.events).Events {
			require.Equal(t, e.Position, receive(t, told), "and else before")
		}
	})
}

func TestRelayDeletesWhatHasExpiredAtItsStart(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		for i := range 5 {
			p.note(fmt.Sprint(i))
		}
		_, err := p.log.Position(t.Context(), 100)
		require.NoError(t, err)
		expired := make(chan struct{}, 1)
		p.relay.Expire = func(context.Context) error { expired <- struct{}{}; return nil }
		p.relay.Config.KeepRows = 2
		p.runRelay()
		receive(t, expired)
		trimmed, err := p.log.Trimmed(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(3), trimmed)
	})
}

func TestRelayAndRecorderStopAndStartAgain(t *testing.T) {
	onBoth(t, job.Config{}, func(t *testing.T, p *plant) {
		p.known()
		for i := range 4 {
			stopRecorder, stopRelay := p.runRecorder(), p.runRelay()
			j := p.ask(fmt.Sprint(i), "es")[0]
			if i%2 == 0 {
				p.eventually("it is queued", func() bool { return p.queued(j) })
			}
			stopRelay()
			stopRecorder()
			stopRelay() // twice is once
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, p.relay.Run(ctx), "told to stop before it began")
		require.NoError(t, (&outbox.Recorder{Jobs: p.jobs, Workers: p.workers, Outbox: p.outbox, Bus: p.bus}).Run(ctx))
	})
}

func TestWakingNeverBlocks(t *testing.T) {
	t.Parallel()
	w := outbox.NewWaker(nil)
	for range 1000 {
		w.Wake()
	}
	bus := connect(t, embedded(t))
	bus.Close()
	closed := outbox.NewWaker(bus)
	for range 1000 {
		closed.Wake()
	}
}
