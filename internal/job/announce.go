package job

import (
	"time"

	"parley/ent/gen"
	"parley/internal/event"
	"parley/internal/object"
)

// The topic and the type of the events about jobs.
const (
	TopicJobs      = "JOBS"
	TypeJobChanged = "JobChanged"
)

// JobChanged is the event of a job's recorded change as clients are shown it.
type JobChanged struct {
	Cursor  event.Cursor
	At      time.Time
	JobID   string
	Version int
	// Job is nil when it is gone.
	Job *gen.Job
}

// Topic announces the topic of the events about jobs.
func (s *Service) Topic() event.Topic { return event.Topic{Name: TopicJobs} }

// Changed announces the events about jobs.
func (s *Service) Changed() event.Type {
	return event.Type{
		Name: TypeJobChanged, Topic: TopicJobs, Object: "job",
		Passing: func(state string) bool { return !Final(State(state)) },
		Show: event.ShowWith(func(m event.Message, j *gen.Job) any {
			return &JobChanged{Cursor: m.Cursor, At: m.At, JobID: m.Object, Version: int(m.Version), Job: j}
		}),
	}
}

// Objects announces how jobs are found.
func (s *Service) Objects() []object.Kind {
	return []object.Kind{object.Owned(object.Many("job", "job", s.ByID), s.Get, func(j *gen.Job) string { return j.OwnerID })}
}
