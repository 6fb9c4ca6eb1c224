package practice

import (
	"context"
	"strconv"
	"time"

	"parley/ent/gen/learnererror"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/store"
)

// record is an ErrorInput on its way into the database.
type record struct {
	*ErrorInput
	// key is what no two rows share: utterance, client key and index, each
	// ended so that no two of them give the same.
	key    string
	id     string
	made   time.Time
	source learnererror.Source
	who    caller
}

// outcome is what became of a record that was not refused.
type outcome struct {
	status Status
	id     string
}

// content is what a repeated record must have in common with the first one.
type content struct {
	category, subcategory string
	start, end            int // -1 when unknown
	source                learnererror.Source
}

func (r *record) content() content {
	return content{r.Category, r.Subcategory, known(r.StartOffset), known(r.EndOffset), r.source}
}

func known(offset *int) int {
	if offset == nil {
		return -1
	}
	return *offset
}

// RecordErrors records errors of utterances that learners of the viewer said,
// at most MaxErrors, and counts them. It gives a result for each, in order, once
// those without an error are committed and counted. An error is that of the
// whole call, of which nothing was recorded.
func (s *Service) RecordErrors(ctx context.Context, items []*ErrorInput) ([]Result, error) {
	if n := len(items); n > MaxErrors {
		return nil, apperr.Input("items", "Give at most %d errors, these are %d.", MaxErrors, n)
	}
	who, err := callerOf(ctx, auth.ScopePracticeRecord)
	if err != nil {
		return nil, err
	}
	results, err := s.record(ctx, who, learnererror.SourceLEARNER_APP, items)
	for i := range results {
		if results[i].Err != nil {
			results[i].Err = within(results[i].Err, "input", "items", strconv.Itoa(i))
		}
	}
	return results, err
}

// record is RecordErrors for any source of errors. The paths of the items'
// errors begin at their fields.
func (s *Service) record(ctx context.Context, who caller, source learnererror.Source, items []*ErrorInput) ([]Result, error) {
	results := make([]Result, len(items))
	records := make([]record, 0, len(items))
	places := make([]int, 0, len(items))
	now := store.Now()
	for i, in := range items {
		err := in.Validate()
		if err == nil && in.ExternalID != nil {
			err = who.check(in.ExternalID, "externalId")
		}
		if err != nil {
			results[i] = Result{Status: Refused, Err: err}
			continue
		}
		records = append(records, record{ErrorInput: in, id: store.NewID("lerr"), made: now, source: source, who: who})
		places = append(places, i)
	}
	setKeys(records)
	valid := make([]*record, len(records))
	for i := range records {
		valid[i] = &records[i]
	}
	done, err := s.errors.Do(ctx, valid...)
	if err != nil {
		return nil, err
	}
	for n, r := range done {
		if r.Err != nil {
			results[places[n]] = Result{Status: Refused, Err: r.Err}
			continue
		}
		results[places[n]] = Result{Status: r.Value.status, ErrorID: r.Value.id}
	}
	return results, nil
}

// setKeys cuts all keys out of one string.
func setKeys(records []record) {
	var all []byte
	ends := make([]int, len(records))
	for i := range records {
		r := &records[i]
		all = appendKey(all, r.UtteranceID, r.ClientKey, r.Index)
		ends[i] = len(all)
	}
	whole, begin := string(all), 0
	for i, end := range ends {
		records[i].key = whole[begin:end]
		begin = end
	}
}

func appendKey(to []byte, utterance, key string, index int) []byte {
	to = append(append(append(append(to, utterance...), 0), key...), 0)
	return strconv.AppendInt(to, int64(index), 10)
}

// commitErrors writes and counts records in the transaction of the context.
// They come sorted by their keys. Rows are changed in this order and then counts
// in that of their ids, by every process, so that no two transactions lock each
// other out.
func (s *Service) commitErrors(ctx context.Context, items []*record) ([]batch.Result[outcome], error) {
	results := make([]batch.Result[outcome], len(items))
	said, err := s.said(ctx, items)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(items))
	// firsts holds for each item that is not refused the first of its key in rows.
	firsts := make([]int, len(items))
	for i, r := range items {
		u, ok := said[r.UtteranceID]
		if err := r.check(u, ok); err != nil {
			results[i].Err, firsts[i] = err, -1
			continue
		}
		if n := len(rows); n == 0 || rows[n-1].key != r.key {
			rows = append(rows, row{record: r, learner: u.learner})
		}
		firsts[i] = len(rows) - 1
	}
	if err := s.write(ctx, rows); err != nil {
		return nil, err
	}
	for i, r := range items {
		if firsts[i] < 0 {
			continue
		}
		first := &rows[firsts[i]]
		switch {
		case first.before == nil && first.record == r:
			results[i].Value = outcome{Recorded, r.id}
		case first.before != nil && first.before.content == r.content():
			results[i].Value = outcome{Duplicate, first.before.id}
		case first.before == nil && first.content() == r.content():
			results[i].Value = outcome{Duplicate, first.id}
		default:
			results[i].Err = taken("This client key and index were used for another error of this utterance.")
		}
	}
	return results, nil
}

// utteranceInfo is what the writer must know of an utterance.
type utteranceInfo struct {
	learner, conversation string
	// length is that of its text in code points.
	length int
	// owner and externalID are empty unless a service named the learner.
	owner, externalID string
}

// check refuses an error of an utterance that is not there, not the caller's,
// or not what else the input says.
func (r *record) check(u utteranceInfo, found bool) error {
	switch {
	case !found || !r.who.has(u.learner, u.owner):
		return missing("utteranceId", "There is no such utterance.")
	case r.ConversationID != nil && *r.ConversationID != u.conversation:
		return missing("conversationId", "That conversation has no such utterance.")
	case r.ExternalID != nil && *r.ExternalID != u.externalID:
		return missing("externalId", "That learner has no such utterance.")
	case r.EndOffset != nil && *r.EndOffset > u.length:
		return at("endOffset", "The utterance has only %d characters.", u.length)
	}
	return nil
}

// row is a record of which a row is to be made.
type row struct {
	*record
	learner string
	// before is the row that had its key already, of an earlier transaction.
	before *earlier
}

// earlier is a row of an earlier transaction.
type earlier struct {
	id string
	content
}

// write inserts the rows whose keys are new, marks the others, and counts the
// new ones.
func (s *Service) write(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	written, err := s.insertErrors(ctx, rows)
	if err != nil {
		return err
	}
	fresh := rows
	if written < int64(len(rows)) {
		if err := s.markEarlier(ctx, rows); err != nil {
			return err
		}
		fresh = make([]row, 0, written)
		for _, r := range rows {
			if r.before == nil {
				fresh = append(fresh, r)
			}
		}
	}
	return s.count(ctx, tallies(fresh))
}
