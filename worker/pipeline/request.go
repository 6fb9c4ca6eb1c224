package pipeline

import (
	"errors"
	"slices"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// Request is one output that a Generator shall write, or several where the settings
// ask for the best of a beam search.
type Request struct {
	// Input is token ids: what an encoder reads, with its end token, or a causal
	// model's prompt, with which the output begins.
	Input    []int64
	Settings bundle.Generation
	// Seed and Sequence choose the numbers that sampling draws by: the sequences of a
	// seed are independent.
	Seed     uint64
	Sequence int
	// Recorded are the tokens that an earlier attempt wrote, without what the output
	// begins with. The output goes on behind them as if it had never been cut off. A
	// beam search begins anew.
	Recorded []int64
	// Stop, which may be nil, tells whether an output, with what it begins with, is
	// complete, for stop strings.
	Stop func(written []int64) bool

	// Dropped tells, between two steps, that the output is no longer wanted; Wrote is
	// told each token of an output that is not searched with beams, but not those
	// that are recorded; Done receives the outputs, the best first, each with what it
	// begins with; Failed is told why this output alone can't be written, which ends the
	// whole run where it is nil. All may be nil. They are called on the Generator's
	// goroutine, but Wrote and Stop on any, for one request never at once.
	Failed  func(err error)
	Dropped func() bool
	Wrote   func(token int64)
	Done    func(outputs []Output)
}

// Output is what a search found.
type Output struct {
	// Tokens are those of the output, with what it begins with.
	Tokens []int64
	// Score is what a beam search ranks it by: the sum of the tokens' log-probabilities
	// after the rules, divided by their number to the power of the length penalty. Where
	// there were too few ways on, what had to be doubled is out of reach, about a billion
	// lower before the division. It is 0 where no beams were searched.
	Score float32
}

func (r *Request) dropped() bool { return r.Dropped != nil && r.Dropped() }

// ErrTooLong says that an input leaves no room for an output.
var ErrTooLong = errors.New("the input is too long")

// check refuses a request that the model can't take.
func (r *Request) check(d Dimensions) error {
	switch {
	case len(r.Input) == 0:
		return NewError(jobspec.CodeInvalidInput, "There is nothing to go on from.")
	case d.Positions > 0 && (len(r.Input) > d.Positions || d.Prompted && len(r.Input) == d.Positions):
		return &Error{
			Code: jobspec.CodeInvalidInput, cause: ErrTooLong,
			Message: "The text is too long for the model.",
		}
	}
	known := func(id int64) bool { return id >= 0 && id < int64(d.Vocabulary) }
	for _, id := range r.Input {
		if id < 0 || d.Prompted && !known(id) {
			return NewError(jobspec.CodeModelBroken, "The tokenizer gives a token that the model does not have.")
		}
	}
	if !d.Prompted && !known(r.Settings.DecoderStart) {
		return NewError(jobspec.CodeModelBroken, "The model does not tell the token that its outputs begin with.")
	}
	forced := slices.Concat(r.Recorded, r.Settings.ForcedEOS)
	if r.Settings.ForcedBOS != nil {
		forced = append(forced, *r.Settings.ForcedBOS)
	}
	for _, id := range forced {
		if !known(id) {
			return NewError(jobspec.CodeInvalidInput, "The output can't hold the token %d: the model does not have it.", id)
		}
	}
	return nil
}
