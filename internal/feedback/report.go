package feedback

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// report is one call of reportFeedback on its way into the database.
type report struct {
	voter  string
	items  []item
	atomic bool
	// claim is that of the idempotency key, nil without one.
	claim *idempotency.Claim
}

// item is one item of a report. With err it was refused before it was looked up.
type item struct {
	text, query string
	refs        []ref
	err         error
}

// outcome is what became of a report, and counted how many votes it had.
type outcome struct {
	Report
	counted int
}

// votes is how many stickers a report names.
func (r *report) votes() (n int) {
	for _, it := range r.items {
		n += len(it.refs)
	}
	return n
}

// Report keeps votes of whoever asks: one for each query and sticker, of which the
// latest counts. It gives a result for each item, in order, once what was saved is
// committed. Unknown stickers, and those that the voter may not see, are listed in their
// item's Failed and the others are saved; with Atomic nothing at all is saved when
// anything is wrong. A query need not have been searched for: searches are counted after
// they were answered. An error is that of the whole call, of which nothing was saved.
func (s *Service) Report(ctx context.Context, in ReportInput) (*Report, error) {
	if err := s.may(ctx); err != nil {
		return nil, err
	}
	voter, err := VoterOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkItems(len(in.Items)); err != nil {
		return nil, err
	}
	if err := idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey"); err != nil {
		return nil, err
	}
	if err := s.allowItems(ctx, len(in.Items)); err != nil {
		return nil, err
	}
	r, err := newReport(voter, in)
	if err != nil {
		return nil, err
	}
	done, err := s.save(ctx, r)
	if err != nil {
		return nil, err
	}
	s.tally.vote(time.Now(), done.counted)
	return &done.Report, nil
}

func newReport(voter string, in ReportInput) (*report, error) {
	r := &report{voter: voter, atomic: in.Atomic, items: make([]item, len(in.Items))}
	for i, given := range in.Items {
		it := &r.items[i]
		it.text, it.err = checkQuery(given.Query, itemPath(i, "query")...)
		if it.err == nil {
			it.query = queryID(it.text)
			it.refs, it.err = refsOf(i, given.Positive, given.Negative)
		}
	}
	if in.IdempotencyKey == nil {
		return r, nil
	}
	fingerprint := ReportInput{Items: in.Items, Atomic: in.Atomic}
	var err error
	r.claim, err = idempotency.NewClaim(voter, "reportFeedback", *in.IdempotencyKey, fingerprint)
	return r, err
}

// save writes a report together with others, or a large one by itself.
func (s *Service) save(ctx context.Context, r *report) (*outcome, error) {
	if r.votes() <= largeReport {
		results, err := s.reports.Do(ctx, r)
		if err != nil {
			return nil, err
		}
		return results[0].Value, results[0].Err
	}
	var result batch.Result[*outcome]
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		results, err := s.commitReports(ctx, []*report{r})
		if err != nil {
			return err
		}
		result = results[0]
		return result.Err
	})
	return result.Value, err
}

// commitReports saves reports in the transaction of the context. Rows are locked in one
// order by every process: stickers, keys, votes, scores, queries, each by their ids.
func (s *Service) commitReports(ctx context.Context, reports []*report) ([]batch.Result[*outcome], error) {
	results := make([]batch.Result[*outcome], len(reports))
	head, err := s.log.Head(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.resolve(ctx, reports)
	if err != nil {
		return nil, err
	}
	ballots := make([][]vote, len(reports))
	for i, r := range reports {
		out := &outcome{}
		out.Results, ballots[i] = r.judge(known)
		out.Cursor, out.counted = s.log.Cursor(head), len(ballots[i])
		results[i].Value = out
		if r.claim != nil {
			if r.claim.Answer, err = encodeResults(out.Results); err != nil {
				return nil, err
			}
		}
	}
	if err := s.claim(ctx, reports, ballots, results, s.log.Cursor(head)); err != nil {
		return nil, err
	}
	return results, s.cast(ctx, merged(ballots))
}

// claim takes the keys of reports. Those that are repeated get the first one's answer and
// lose their votes.
func (s *Service) claim(ctx context.Context, reports []*report, ballots [][]vote, results []batch.Result[*outcome], cursor event.Cursor) error {
	var claims []*idempotency.Claim
	for _, r := range reports {
		if r.claim != nil {
			claims = append(claims, r.claim)
		}
	}
	earlier, err := s.keys.Claim(ctx, claims)
	if err != nil {
		return err
	}
	held := make(map[string]*idempotency.Claim, len(claims))
	for i, r := range reports {
		if r.claim == nil {
			continue
		}
		e, repeated := earlier[r.claim]
		if first := held[r.claim.ID]; !repeated && first != nil {
			e, repeated = r.claim.After(first), true
		}
		if !repeated {
			held[r.claim.ID] = r.claim
			continue
		}
		ballots[i] = nil
		results[i] = batch.Result[*outcome]{Err: e.Err}
		if e.Err == nil {
			found, err := decodeResults(e.Values)
			if err != nil {
				return err
			}
			results[i].Value = &outcome{Report: Report{Results: found, Cursor: cursor}}
		}
	}
	return nil
}

// kept is an ItemResult as the answer to a key.
type kept struct {
	Saved   int         `json:"s,omitempty"`
	Failed  []string    `json:"f,omitempty"`
	Code    apperr.Code `json:"c,omitempty"`
	Message string      `json:"m,omitempty"`
	Path    []string    `json:"p,omitempty"`
}

func encodeResults(results []ItemResult) ([]string, error) {
	all := make([]kept, len(results))
	for i, r := range results {
		all[i] = kept{Saved: r.Saved, Failed: r.Failed}
		if coded := apperr.List(r.Err); len(coded) > 0 {
			all[i].Code, all[i].Message, all[i].Path = coded[0].Code, coded[0].Message, coded[0].Path
		}
	}
	data, err := json.Marshal(all)
	return []string{string(data)}, err
}

func decodeResults(values []string) ([]ItemResult, error) {
	var all []kept
	if len(values) != 1 {
		return nil, fmt.Errorf("the answer to a key of feedback has %d values", len(values))
	}
	if err := json.Unmarshal([]byte(values[0]), &all); err != nil {
		return nil, fmt.Errorf("read the answer to a key of feedback: %w", err)
	}
	results := make([]ItemResult, len(all))
	for i, k := range all {
		results[i] = ItemResult{Saved: k.Saved, Failed: k.Failed}
		if k.Code != "" {
			results[i].Err = &apperr.Error{Code: k.Code, Message: k.Message, Path: k.Path}
		}
	}
	return results, nil
}

// Revoke takes votes of whoever asks back. Saved tells how many there were; a sticker
// without a vote is no error, an unknown one is listed in Failed.
func (s *Service) Revoke(ctx context.Context, in RevokeInput) (*Report, error) {
	if err := s.may(ctx); err != nil {
		return nil, err
	}
	voter, err := VoterOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkItems(len(in.Items)); err != nil {
		return nil, err
	}
	if err := s.allowItems(ctx, len(in.Items)); err != nil {
		return nil, err
	}
	r := &report{voter: voter, items: make([]item, len(in.Items))}
	for i, given := range in.Items {
		it := &r.items[i]
		if it.text, it.err = checkQuery(given.Query, itemPath(i, "query")...); it.err != nil {
			continue
		}
		it.query = queryID(it.text)
		if it.refs, it.err = refsOf(i, nil, given.Stickers); it.err != nil {
			continue
		}
		for n := range it.refs {
			it.refs[n].value = 0
		}
	}
	done := &Report{}
	before, err := s.log.Tx(ctx, func(ctx context.Context) error {
		known, err := s.resolve(ctx, []*report{r})
		if err != nil {
			return err
		}
		var votes []vote
		done.Results, votes = r.judge(known)
		return s.takeBack(ctx, merged([][]vote{votes}), done.Results)
	})
	done.Cursor = before
	if err != nil {
		return nil, err
	}
	return done, nil
}

// now is cut as the database keeps times.
func now() time.Time { return store.Now() }
