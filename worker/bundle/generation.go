package bundle

import (
	"encoding/json"
	"fmt"
)

// Generation is how a bundle's model writes: the settings of transformers'
// GenerationConfig that a search without chance knows, in its own words. A
// field that its file leaves out keeps the reference's default.
type Generation struct {
	// DecoderStart is the token that every output begins with.
	DecoderStart int64     `json:"decoder_start_token_id"`
	Pad          int64     `json:"pad_token_id"`
	EOS          Tokens    `json:"eos_token_id"`
	ForcedBOS    *int64    `json:"forced_bos_token_id"`
	ForcedEOS    Tokens    `json:"forced_eos_token_id"`
	BadWords     [][]int64 `json:"bad_words_ids"`
	Suppress     []int64   `json:"suppress_tokens"`
	// BeginSuppress are tokens that must not come first.
	BeginSuppress []int64 `json:"begin_suppress_tokens"`

	// MaxLength counts the start token; MaxNewTokens does not and wins.
	MaxLength    int  `json:"max_length"`
	MaxNewTokens *int `json:"max_new_tokens"`
	MinLength    int  `json:"min_length"`
	MinNewTokens *int `json:"min_new_tokens"`

	NumBeams          int           `json:"num_beams"`
	LengthPenalty     float64       `json:"length_penalty"`
	EarlyStopping     EarlyStopping `json:"early_stopping"`
	Renormalize       bool          `json:"renormalize_logits"`
	NoRepeatNGram     int           `json:"no_repeat_ngram_size"`
	RepetitionPenalty float64       `json:"repetition_penalty"`

	// What follows is not supported; Unsupported names what is set.
	DoSample             bool            `json:"do_sample"`
	NumBeamGroups        int             `json:"num_beam_groups"`
	PenaltyAlpha         float64         `json:"penalty_alpha"`
	EncoderNoRepeatNGram int             `json:"encoder_no_repeat_ngram_size"`
	EncoderRepetition    float64         `json:"encoder_repetition_penalty"`
	ExponentialDecay     json.RawMessage `json:"exponential_decay_length_penalty"`
	SequenceBias         json.RawMessage `json:"sequence_bias"`
	ForceWords           json.RawMessage `json:"force_words_ids"`
	Constraints          json.RawMessage `json:"constraints"`
	ForcedDecoder        json.RawMessage `json:"forced_decoder_ids"`
	GuidanceScale        float64         `json:"guidance_scale"`
	NumReturnSequences   int             `json:"num_return_sequences"`
}

// defaultGeneration holds the reference's defaults; -1 stands for no token.
func defaultGeneration() Generation {
	return Generation{DecoderStart: -1, Pad: -1, NumBeams: 1, LengthPenalty: 1, RepetitionPenalty: 1}
}

// With gives a copy that settings, a JSON object in the same words, override.
func (g Generation) With(settings json.RawMessage) (Generation, error) {
	if len(settings) == 0 {
		return g, nil
	}
	if err := json.Unmarshal(settings, &g); err != nil {
		return g, fmt.Errorf("generation settings: %w", err)
	}
	return g, g.validate()
}

func (g *Generation) validate() error {
	switch {
	case g.NumBeams < 1 || g.NumBeams > 64:
		return fmt.Errorf("num_beams is %d, not between 1 and 64", g.NumBeams)
	case g.RepetitionPenalty <= 0:
		return fmt.Errorf("repetition_penalty is %v, not above 0", g.RepetitionPenalty)
	case g.NoRepeatNGram < 0, g.MaxLength < 0, g.MinLength < 0:
		return fmt.Errorf("a length is below 0")
	}
	return nil
}

// Limit is the greatest length of an output with its start token, when the
// model has positions for so many.
func (g *Generation) Limit(positions int) int {
	limit := g.MaxLength
	if g.MaxNewTokens != nil {
		limit = *g.MaxNewTokens + 1
	}
	if limit <= 0 || positions > 0 && limit > positions {
		limit = positions
	}
	return max(limit, 2)
}

// Unsupported names the settings that have an effect in the reference and none
// here.
func (g *Generation) Unsupported() []string {
	var names []string
	for name, set := range map[string]bool{
		"do_sample":                        g.DoSample,
		"num_beam_groups":                  g.NumBeamGroups > 1,
		"penalty_alpha":                    g.PenaltyAlpha > 0,
		"encoder_no_repeat_ngram_size":     g.EncoderNoRepeatNGram > 0,
		"encoder_repetition_penalty":       g.EncoderRepetition != 0 && g.EncoderRepetition != 1,
		"exponential_decay_length_penalty": present(g.ExponentialDecay),
		"sequence_bias":                    present(g.SequenceBias),
		"force_words_ids":                  present(g.ForceWords),
		"constraints":                      present(g.Constraints),
		"forced_decoder_ids":               present(g.ForcedDecoder),
		"guidance_scale":                   g.GuidanceScale > 1,
		"num_return_sequences":             g.NumReturnSequences > 1,
	} {
		if set {
			names = append(names, name)
		}
	}
	return names
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// Tokens is a list of token ids that may be written as a single one.
type Tokens []int64

// UnmarshalJSON reads 3 and [3, 4] alike; null changes nothing.
func (t *Tokens) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var one int64
	if err := json.Unmarshal(data, &one); err == nil {
		*t = Tokens{one}
		return nil
	}
	var many []int64
	if err := json.Unmarshal(data, &many); err != nil {
		return err
	}
	*t = many
	return nil
}

// EarlyStopping says when a beam search ends.
type EarlyStopping string

// The three ways: by an estimate of what could still come, as soon as there
// are as many outputs as beams, or when no better one is possible at all.
const (
	StopHeuristic EarlyStopping = ""
	StopFirst     EarlyStopping = "true"
	StopNever     EarlyStopping = "never"
)

// UnmarshalJSON reads false, true and "never"; null changes nothing.
func (e *EarlyStopping) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null":
	case "false":
		*e = StopHeuristic
	case "true":
		*e = StopFirst
	case `"never"`:
		*e = StopNever
	default:
		return fmt.Errorf("early_stopping is %s", data)
	}
	return nil
}
