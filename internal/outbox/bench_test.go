package outbox_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/job"
	"parley/internal/note"
	"parley/internal/testkit/dbtest"
	"parley/worker"
)

// BenchmarkJobs measures no-op jobs from the services' call to the recorded
// result, without HTTP: outbox, JOBS, worker, RESULTS, recorder, events.
func BenchmarkJobs(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			broker := embedded(b)
			p := newPlant(b, dbtest.Open(b, url(b)), connect(b, broker), job.Config{MaxPerUser: 1 << 30})
			p.run()
			w, err := worker.New(worker.Config{Bus: p.bus, Slots: 64, Handlers: []worker.Handler{p.noop()}})
			require.NoError(b, err)
			background(b, w.Run)
			p.eventually("the worker is known", func() bool { w, err := p.workers.Workers(b.Context()); return err == nil && len(w) == 1 })
			notes := make([]*gen.Note, b.N)
			for i := range notes {
				notes[i] = p.note(fmt.Sprint("text ", i))
			}
			b.ResetTimer()
			todo := make(chan *gen.Note)
			var callers sync.WaitGroup
			for range 16 {
				callers.Go(func() {
					for n := range todo {
						_, _, err := p.notes.Translate(as(b, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"es"}})
						assert.NoError(b, err)
					}
				})
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for left := b.N; left > 0; {
					for _, e := range (<-p.events).Events {
						if e.State == "SUCCEEDED" {
							left--
						}
					}
				}
			}()
			for _, n := range notes {
				todo <- n
			}
			close(todo)
			callers.Wait()
			<-ended
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}
