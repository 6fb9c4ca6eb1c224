package natsx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
)

const (
	// MaxResultBatch is the most results that ConsumeResults hands over at once.
	MaxResultBatch = 512
	// resultBuffer is how many results wait here, unacknowledged, at most.
	resultBuffer  = 2 * MaxResultBatch
	resultAckWait = time.Minute
)

// ConsumeResults hands all results that are waiting, up to 512, to handle as one
// batch, and acknowledges them after it returned nil. After an error the batch is
// given back for later, the next try comes after a pause that grows to 5 seconds,
// and the batches get smaller until one succeeds, so that one result that always
// fails holds up no others. What is no Result is logged and refused for good.
//
// It runs until ctx ends, through restarts of the server and the loss of the
// stream or its consumer. Several processes may call it; each result goes to one.
func (b *Bus) ConsumeResults(ctx context.Context, handle func(context.Context, []jobspec.Result) error) error {
	r := &resultReader{
		bus: b, handle: handle, limit: MaxResultBatch,
		wake:   make(chan struct{}, 1),
		repair: Backoff{First: 50 * time.Millisecond, Most: 10 * time.Second},
		pause:  Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second},
		broken: errUnopened,
	}
	r.puller = b.NewPuller(jobspec.StreamResults, jobspec.RecorderConsumer, r)
	stop := b.Reconnects(r.reconnected)
	defer stop()
	defer r.giveBack()
	return r.run(ctx)
}

var errUnopened = errors.New("not opened yet")

type resultReader struct {
	bus    *Bus
	handle func(context.Context, []jobspec.Result) error
	puller *Puller
	wake   chan struct{}
	limit  int
	repair Backoff
	pause  Backoff

	mu      sync.Mutex
	waiting []Delivery
	// broken is why RESULTS must be opened (again), nil while it is well.
	broken  error
	healthy bool
	stopped bool
	// giveUp ends the calls of the opening under way.
	giveUp context.CancelFunc
}

// Message implements PullHandler.
func (r *resultReader) Message(d Delivery, _ bool) {
	r.mu.Lock()
	stopped := r.stopped
	if !stopped {
		r.waiting, r.healthy = append(r.waiting, d), true
	}
	r.mu.Unlock()
	if stopped {
		_ = d.Nak(0)
		return
	}
	r.signal()
}

// Ended implements PullHandler.
func (r *resultReader) Ended(_ int, err error) {
	r.mu.Lock()
	if r.healthy = err == nil; err != nil {
		r.broken = err
	}
	r.mu.Unlock()
	r.signal()
}

// reconnected forgets the open request and calls: the server may have.
func (r *resultReader) reconnected() {
	r.mu.Lock()
	if r.giveUp != nil {
		r.giveUp()
	}
	r.mu.Unlock()
	r.puller.Fail(errors.New("the connection was lost"))
}

func (r *resultReader) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *resultReader) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		r.keepPulling(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if batch := r.take(); len(batch) > 0 {
			r.deliver(ctx, batch)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case now := <-tick.C:
			r.puller.Check(now)
		}
	}
}

// keepPulling has a request open while there is room for its messages. After a
// fault it opens the stream and the consumer again, with growing pauses.
func (r *resultReader) keepPulling(ctx context.Context) {
	r.mu.Lock()
	fault, room := r.broken, resultBuffer-len(r.waiting)
	if r.healthy {
		r.repair.Reset()
	}
	r.broken, r.healthy = nil, false
	r.mu.Unlock()
	var err error
	if fault != nil {
		if !errors.Is(fault, errUnopened) {
			r.bus.log.Warn("RESULTS can't be read, trying again", "error", fault)
			r.repair.Wait(ctx)
		}
		err = r.openConsumer(ctx)
	}
	if open, _, _ := r.puller.Open(); err == nil && !open && room >= MaxResultBatch {
		err = r.puller.Wait(MaxResultBatch)
	}
	if err != nil {
		r.Ended(0, err)
	}
}

// openConsumer makes sure that the stream and the durable consumer exist.
func (r *resultReader) openConsumer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r.mu.Lock()
	r.giveUp = cancel
	r.mu.Unlock()
	if err := r.bus.EnsureStreams(ctx); err != nil {
		return err
	}
	_, err := r.bus.js.CreateOrUpdateConsumer(ctx, jobspec.StreamResults, jetstream.ConsumerConfig{
		Durable:       jobspec.RecorderConsumer,
		Description:   "records results in the database",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       resultAckWait,
		MaxDeliver:    -1,
		MaxAckPending: 16 * resultBuffer,
	})
	return r.bus.explain("open the consumer "+jobspec.RecorderConsumer, err)
}

// take removes up to limit waiting messages.
func (r *resultReader) take() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.limit, len(r.waiting))
	batch := r.waiting[:n:n]
	r.waiting = r.waiting[n:]
	if len(r.waiting) == 0 {
		r.waiting = nil
	}
	return batch
}

func (r *resultReader) deliver(ctx context.Context, batch []Delivery) {
	good := batch[:0]
	results := make([]jobspec.Result, 0, len(batch))
	for _, d := range batch {
		res, err := parseResult(d.Data)
		if err != nil {
			r.bus.log.Error("a message on RESULTS is no result, refused", "subject", d.Subject, "error", err)
			_ = d.Term("not a result: " + err.Error())
			continue
		}
		good, results = append(good, d), append(results, res)
	}
	if len(good) == 0 {
		return
	}
	if err := r.handle(ctx, results); err != nil {
		r.refused(ctx, good, err)
		return
	}
	for _, d := range good {
		_ = d.Ack()
	}
	r.limit = min(2*r.limit, MaxResultBatch)
	r.pause.Reset()
}

// refused gives the batch back, each message for longer the more often it came.
// Only one that fails alone is kept away for up to a minute: in a batch most are
// innocent.
func (r *resultReader) refused(ctx context.Context, batch []Delivery, err error) {
	longest := uint64(6)
	if len(batch) == 1 {
		longest = 9
	}
	for _, d := range batch {
		_ = d.Nak(100 * time.Millisecond << min(d.Delivered-1, longest))
	}
	if ctx.Err() != nil {
		return
	}
	r.bus.log.Warn("results were not recorded, they come again", "results", len(batch), "error", err)
	r.limit = max(1, r.limit/2)
	r.pause.Wait(ctx)
}

// giveBack lets another process have at once what was not handled here.
func (r *resultReader) giveBack() {
	r.mu.Lock()
	r.stopped = true
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()
	r.puller.Cancel()
	for _, d := range waiting {
		_ = d.Nak(0)
	}
	r.bus.Flush()
}

func parseResult(data []byte) (jobspec.Result, error) {
	var res jobspec.Result
	if err := json.Unmarshal(data, &res); err != nil {
		return res, err
	}
	if res.Run == "" || res.Attempt < 1 || res.Type == "" {
		return res, fmt.Errorf("run %q, attempt %d, type %q", res.Run, res.Attempt, res.Type)
	}
	return res, nil
}
