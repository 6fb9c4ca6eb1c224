package intake

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

const (
	// maxDeliver is how often a message is handed out at most. What kills workers is
	// found out long before; what waits beside it for its turn is handed out as often.
	maxDeliver = 20
	// maxAckPending bounds what all workers together hold of one lane.
	maxAckPending = 16384
)

// lane is one durable consumer: what waits of a queue with one urgency.
type lane struct {
	intake *Intake
	queue  Queue
	// index is its place in the intake and the planner.
	index            int
	consumer, filter string
	puller           *natsx.Puller
	// fault is why the consumer must be opened (again) before it is asked, and
	// removed says that the intake has nothing to do with the lane any more. Guarded
	// by intake.mu.
	fault   error
	removed bool
}

var errUnopened = errors.New("not opened yet")

func newLane(in *Intake, q Queue, name jobspec.Lane) *lane {
	l := &lane{
		intake: in, queue: q,
		consumer: jobspec.JobConsumer(q.Kind, q.Pool, name), filter: jobspec.JobFilter(q.Kind, q.Pool, name),
	}
	l.puller = in.Bus.NewPuller(jobspec.StreamJobs, l.consumer, l)
	return l
}

// openConsumer makes sure of the lane's durable consumer.
func (l *lane) openConsumer(ctx context.Context) error {
	in := l.intake
	_, err := in.Bus.JetStream().CreateOrUpdateConsumer(ctx, jobspec.StreamJobs, jetstream.ConsumerConfig{
		Durable:       l.consumer,
		FilterSubject: l.filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       in.AckWait,
		MaxDeliver:    maxDeliver,
		MaxAckPending: maxAckPending,
		MaxWaiting:    4096,
	})
	return err
}
