package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/store"
)

const (
	// most is how many numbers one entry holds, 8 kB; a larger reading has
	// several entries.
	most = 1000
	// mostWaiting bounds the entries that wait to be written: 80 MB of them.
	mostWaiting = 10_000
	// gather is how long an entry may wait for others. At 5,000 readings a second
	// it makes seven of the transactions into one, and costs a third.
	gather = 2 * time.Millisecond
)

// Log is the audit log of one database.
type Log struct {
	store  *store.Store
	keep   time.Duration
	writes *batch.Writer[row, struct{}]
}

// row is an entry as it lies in the table.
type row struct {
	id     string
	at     time.Time
	reader string // empty for the command line
	key    string // empty for people
	action Action
	packed []byte
}

// New makes the log. Forget deletes what is older than keep, or nothing if that
// is not positive. observe is told of every transaction of entries and may be
// nil.
func New(s *store.Store, keep time.Duration, observe func(batch.Flush)) *Log {
	l := &Log{store: s, keep: keep}
	l.writes = batch.New(s, batch.Config[row, struct{}]{
		Name: "audit", MaxDelay: gather, MaxWaiting: mostWaiting, Commit: l.insert, Observe: observe,
	})
	return l
}

// Waiting gives the number of entries that wait to be written.
func (l *Log) Waiting() int { return l.writes.Waiting() }

// Write notes that the viewer of ctx read the dialogs with these numbers, and
// returns once that is committed. The system counts as the command line. Of more
// than 1000 numbers it makes several entries; of none it makes none.
//
// Nobody may be shown a dialog when Write fails: it is UNAVAILABLE or TIMEOUT
// when the database is away or too much waits, UNAUTHENTICATED without a viewer.
// It must not be called inside a transaction.
func (l *Log) Write(ctx context.Context, action Action, dialogIDs []int64) error {
	if !action.valid() {
		return fmt.Errorf("audit: there is no action %q", action)
	}
	viewer, ok := auth.From(ctx)
	if !ok || !viewer.System() {
		var err error
		if viewer, err = auth.RequireAny(ctx); err != nil {
			return err
		}
	}
	now := store.Now()
	rows := make([]row, 0, (len(dialogIDs)+most-1)/most)
	for part := range slices.Chunk(dialogIDs, most) {
		rows = append(rows, row{
			id: store.NewID("aud"), at: now, reader: viewer.ID, key: viewer.Key, action: action, packed: pack(part),
		})
	}
	results, err := l.writes.Do(ctx, rows...)
	for i := 0; err == nil && i < len(results); i++ {
		err = results[i].Err
	}
	return unwritten(err)
}

// unwritten says to a reader what the failure of a write means for the reading.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	if cause := new(apperr.Error); errors.As(err, &cause) && (cause.Code == apperr.Unavailable || cause.Code == apperr.Timeout) {
		e := apperr.Wrap(err, cause.Code, "No dialogs are shown, because it could not be written down who reads them. Try again in a moment.")
		e.RetryAfter = cause.RetryAfter
		return e
	}
	return fmt.Errorf("write down who read dialogs: %w", err)
}

func (a Action) valid() bool { return a == List || a == Read || a == Export }

// pack writes numbers one behind the other, 8 bytes each, big-endian.
func pack(numbers []int64) []byte {
	packed := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		packed = binary.BigEndian.AppendUint64(packed, uint64(n))
	}
	return packed
}

// unpack reads what pack wrote.
func unpack(packed []byte) ([]int64, error) {
	if len(packed)%8 != 0 {
		return nil, fmt.Errorf("audit: %d bytes are no list of numbers", len(packed))
	}
	numbers := make([]int64, 0, len(packed)/8)
	for one := range slices.Chunk(packed, 8) {
		numbers = append(numbers, int64(binary.BigEndian.Uint64(one)))
	}
	return numbers, nil
}
