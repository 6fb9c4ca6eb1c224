package practice

import (
	"context"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/store"
)

// UtteranceResult is what became of one utterance: Err is why it was refused.
type UtteranceResult struct {
	Utterance *gen.Utterance
	Err       error
}

// pendingUtterance is an UtteranceInput on its way into the database.
type pendingUtterance struct {
	*UtteranceInput
	id   string
	made time.Time
	who  caller
}

// key is what is unique of utterances with a client key, the others change no
// row of anybody else.
func (u *pendingUtterance) key() string {
	if u.ClientKey == nil {
		return u.ConversationID + "\x00"
	}
	return u.ConversationID + "\x00" + *u.ClientKey
}

// row is the utterance as it is once it is committed.
func (u *pendingUtterance) row(learner string) *gen.Utterance {
	return &gen.Utterance{
		ID: u.id, CreatedAt: u.made, ConversationID: u.ConversationID, UserID: learner, Text: u.Text, ClientKey: u.ClientKey,
	}
}

// AddUtterance records what a learner of the viewer said.
func (s *Service) AddUtterance(ctx context.Context, in UtteranceInput) (*gen.Utterance, error) {
	results, err := s.addUtterances(ctx, []*UtteranceInput{&in})
	if err != nil {
		return nil, err
	}
	if err := results[0].Err; err != nil {
		return nil, within(err, "input")
	}
	return results[0].Utterance, nil
}

// AddUtterances records 1 to MaxUtterances utterances and gives a result for
// each, in order. An error is that of the whole call, of which nothing was
// recorded.
func (s *Service) AddUtterances(ctx context.Context, items []*UtteranceInput) ([]UtteranceResult, error) {
	if n := len(items); n == 0 || n > MaxUtterances {
		return nil, apperr.Input("items", "Give 1 to %d utterances, these are %d.", MaxUtterances, n)
	}
	results, err := s.addUtterances(ctx, items)
	for i := range results {
		if results[i].Err != nil {
			results[i].Err = within(results[i].Err, "input", "items", strconv.Itoa(i))
		}
	}
	return results, err
}

func (s *Service) addUtterances(ctx context.Context, items []*UtteranceInput) ([]UtteranceResult, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRecord)
	if err != nil {
		return nil, err
	}
	results := make([]UtteranceResult, len(items))
	valid := make([]*pendingUtterance, 0, len(items))
	places := make([]int, 0, len(items))
	now := store.Now()
	for i, in := range items {
		if err := in.Validate(); err != nil {
			results[i].Err = err
			continue
		}
		valid = append(valid, &pendingUtterance{UtteranceInput: in, id: store.NewID("utt"), made: now, who: who})
		places = append(places, i)
	}
	done, err := s.utterances.Do(ctx, valid...)
	if err != nil {
		return nil, err
	}
	for n, r := range done {
		results[places[n]] = UtteranceResult{r.Value, r.Err}
	}
	return results, nil
}

// commitUtterances writes utterances in the transaction of the context. They
// come sorted by their keys.
func (s *Service) commitUtterances(ctx context.Context, items []*pendingUtterance) ([]batch.Result[*gen.Utterance], error) {
	results := make([]batch.Result[*gen.Utterance], len(items))
	known, err := s.conversations(ctx, items)
	if err != nil {
		return nil, err
	}
	rows := make([]*gen.Utterance, 0, len(items))
	// firsts holds for each item the row that stands for its key.
	firsts := make([]*gen.Utterance, len(items))
	keyed := map[string]*gen.Utterance{}
	for i, u := range items {
		c, ok := known[u.ConversationID]
		if !ok || !u.who.has(c.learner, c.owner) {
			results[i].Err = missing("conversationId", "There is no such conversation.")
			continue
		}
		if u.ClientKey != nil && keyed[u.key()] != nil {
			firsts[i] = keyed[u.key()]
			continue
		}
		row := u.row(c.learner)
		rows, firsts[i] = append(rows, row), row
		if u.ClientKey != nil {
			keyed[u.key()] = row
		}
	}
	written, err := s.insertUtterances(ctx, rows)
	if err != nil {
		return nil, err
	}
	var before map[string]*gen.Utterance
	if written < int64(len(rows)) {
		if before, err = s.utterancesBefore(ctx, rows); err != nil {
			return nil, err
		}
	}
	for i, u := range items {
		row := firsts[i]
		if row == nil {
			continue
		}
		if older := before[u.key()]; older != nil && u.ClientKey != nil {
			row = older
		}
		if row.Text != u.Text {
			results[i].Err = taken("This client key was used for another text in this conversation.")
			continue
		}
		results[i].Value = row
	}
	return results, nil
}

// missing is NOT_FOUND at a field.
func missing(field, sentence string) error {
	e := apperr.New(apperr.NotFound, "%s", sentence)
	e.Path = []string{field}
	return e
}

// taken is CONFLICT at the client key.
func taken(sentence string) error {
	e := apperr.New(apperr.Conflict, "%s", sentence)
	e.Path = []string{"clientKey"}
	return e
}
