package bundle

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Generation is how a bundle's model writes: the settings of transformers'
// GenerationConfig, in its own words. A field that its file leaves out keeps the
// reference's default.
type Generation struct {
	// DecoderStart is the token that every output of an encoder-decoder begins with.
	DecoderStart int64     `json:"decoder_start_token_id"`
	Pad          int64     `json:"pad_token_id"`
	EOS          Tokens    `json:"eos_token_id"`
	ForcedBOS    *int64    `json:"forced_bos_token_id"`
	ForcedEOS    Tokens    `json:"forced_eos_token_id"`
	BadWords     [][]int64 `json:"bad_words_ids"`
	Suppress     []int64   `json:"suppress_tokens"`
	// BeginSuppress are tokens that must not come first.
	BeginSuppress []int64        `json:"begin_suppress_tokens"`
	SequenceBias  []SequenceBias `json:"sequence_bias"`
	StopStrings   Strings        `json:"stop_strings"`

	// MaxLength counts what an output begins with, the start token or the prompt;
	// MaxNewTokens does not and wins.
	MaxLength    int  `json:"max_length"`
	MaxNewTokens *int `json:"max_new_tokens"`
	MinLength    int  `json:"min_length"`
	MinNewTokens *int `json:"min_new_tokens"`

	NumBeams           int           `json:"num_beams"`
	NumReturnSequences int           `json:"num_return_sequences"`
	LengthPenalty      float64       `json:"length_penalty"`
	EarlyStopping      EarlyStopping `json:"early_stopping"`
	Renormalize        bool          `json:"renormalize_logits"`
	ExponentialDecay   *LengthDecay  `json:"exponential_decay_length_penalty"`

	NoRepeatNGram            int     `json:"no_repeat_ngram_size"`
	RepetitionPenalty        float64 `json:"repetition_penalty"`
	EncoderNoRepeatNGram     int     `json:"encoder_no_repeat_ngram_size"`
	EncoderRepetitionPenalty float64 `json:"encoder_repetition_penalty"`

	// DoSample draws each token; what follows shapes the distribution and has no
	// effect without it. 0 stands for none, but for TopP and TypicalP, where it is 1.
	DoSample      bool    `json:"do_sample"`
	Temperature   float64 `json:"temperature"`
	TopK          int     `json:"top_k"`
	TopP          float64 `json:"top_p"`
	MinP          float64 `json:"min_p"`
	TypicalP      float64 `json:"typical_p"`
	EpsilonCutoff float64 `json:"epsilon_cutoff"`
	EtaCutoff     float64 `json:"eta_cutoff"`
}

// defaultGeneration holds the reference's defaults; -1 stands for no token.
func defaultGeneration() Generation {
	return Generation{
		DecoderStart: -1, Pad: -1, NumBeams: 1, NumReturnSequences: 1, LengthPenalty: 1,
		RepetitionPenalty: 1, EncoderRepetitionPenalty: 1, Temperature: 1, TopK: 50, TopP: 1, TypicalP: 1,
	}
}

// Bounds of what every step of an output looks at.
const (
	maxSettings   = 256 << 10
	maxLength     = 1 << 30
	maxEnds       = 64
	maxStops      = 64
	maxStopLength = 1 << 10
)

// With gives a copy that settings, a JSON object in the same words, override. It
// fails on a value that makes no sense and on a setting that has an effect in the
// reference and none here, which it names.
func (g Generation) With(settings json.RawMessage) (Generation, error) {
	if len(settings) == 0 {
		return g, nil
	}
	if len(settings) > maxSettings {
		return g, fmt.Errorf("generation settings: they have %d bytes, more than %d", len(settings), maxSettings)
	}
	if err := g.read(settings); err != nil {
		return g, fmt.Errorf("generation settings: %w", err)
	}
	return g, nil
}

// read overrides what a JSON object names. A null changes nothing.
func (g *Generation) read(settings []byte) error {
	// What lies behind a pointer or in a list may be shared with another copy, and the
	// decoder would write into it.
	old := *g
	g.ForcedBOS, g.MaxNewTokens, g.MinNewTokens, g.ExponentialDecay = nil, nil, nil, nil
	g.BadWords, g.Suppress, g.BeginSuppress, g.SequenceBias = nil, nil, nil, nil
	if err := json.Unmarshal(settings, g); err != nil {
		return err
	}
	g.ForcedBOS, g.MaxNewTokens, g.MinNewTokens = cmp.Or(g.ForcedBOS, old.ForcedBOS), cmp.Or(g.MaxNewTokens, old.MaxNewTokens), cmp.Or(g.MinNewTokens, old.MinNewTokens)
	g.ExponentialDecay = cmp.Or(g.ExponentialDecay, old.ExponentialDecay)
	if g.BadWords == nil {
		g.BadWords = old.BadWords
	}
	if g.Suppress == nil {
		g.Suppress = old.Suppress
	}
	if g.BeginSuppress == nil {
		g.BeginSuppress = old.BeginSuppress
	}
	if g.SequenceBias == nil {
		g.SequenceBias = old.SequenceBias
	}
	if err := refuseUnsupported(settings); err != nil {
		return err
	}
	return g.validate()
}

func (g *Generation) validate() error {
	switch {
	case g.NumBeams < 1 || g.NumBeams > 64:
		return fmt.Errorf("num_beams is %d, not between 1 and 64", g.NumBeams)
	case g.NumReturnSequences < 1 || g.NumReturnSequences > 64:
		return fmt.Errorf("num_return_sequences is %d, not between 1 and 64", g.NumReturnSequences)
	case g.NumReturnSequences > g.NumBeams && !g.DoSample:
		return fmt.Errorf("num_return_sequences is %d with %d beams and no sampling", g.NumReturnSequences, g.NumBeams)
	case g.DoSample && g.NumBeams > 1:
		return errors.New("do_sample with num_beams above 1 is not supported")
	case g.NoRepeatNGram < 0, g.EncoderNoRepeatNGram < 0, g.MaxLength < 0, g.MinLength < 0, g.TopK < 0:
		return errors.New("a length or count is below 0")
	case g.MaxNewTokens != nil && (*g.MaxNewTokens < 1 || *g.MaxNewTokens > maxLength):
		return fmt.Errorf("max_new_tokens is %d, not between 1 and %d", *g.MaxNewTokens, maxLength)
	case g.MinNewTokens != nil && (*g.MinNewTokens < 0 || *g.MinNewTokens > maxLength):
		return fmt.Errorf("min_new_tokens is %d, not between 0 and %d", *g.MinNewTokens, maxLength)
	case len(g.EOS) > maxEnds:
		return fmt.Errorf("eos_token_id has %d tokens, more than %d", len(g.EOS), maxEnds)
	case len(g.StopStrings) > maxStops || slices.ContainsFunc(g.StopStrings, func(s string) bool { return len(s) > maxStopLength }):
		return fmt.Errorf("stop_strings are more than %d or longer than %d bytes", maxStops, maxStopLength)
	}
	penalties := map[string]float64{"repetition_penalty": g.RepetitionPenalty, "encoder_repetition_penalty": g.EncoderRepetitionPenalty}
	if g.DoSample {
		penalties["temperature"] = g.Temperature
	}
	for name, value := range penalties {
		if !(value > 0) {
			return fmt.Errorf("%s is %v, not above 0", name, value)
		}
	}
	return g.validateShares()
}

// validateShares checks what shapes a distribution, where one is drawn from.
func (g *Generation) validateShares() error {
	if !g.DoSample {
		return nil
	}
	for _, share := range []struct {
		name        string
		value       float64
		least, most float64
	}{
		{"top_p", g.TopP, math.SmallestNonzeroFloat64, 1},
		{"min_p", g.MinP, 0, 1},
		{"typical_p", g.TypicalP, math.SmallestNonzeroFloat64, 1},
		{"epsilon_cutoff", g.EpsilonCutoff, 0, 0.9},
		{"eta_cutoff", g.EtaCutoff, 0, 0.9},
	} {
		if !(share.value >= share.least && share.value <= share.most) {
			return fmt.Errorf("%s is %v, not a share", share.name, share.value)
		}
	}
	return nil
}

// openEnd is how long an output may get, what it begins with included, where neither
// the settings nor the model's positions say.
const openEnd = 512

// Limit is the greatest length of an output together with the origin tokens that it
// begins with, when the model has positions for so many; 0 positions are no bound.
func (g *Generation) Limit(origin, positions int) int {
	limit := g.MaxLength
	if g.MaxNewTokens != nil {
		limit = *g.MaxNewTokens + origin
	}
	switch {
	case limit <= 0 && positions <= 0:
		limit = origin + openEnd
	case limit <= 0 || positions > 0 && limit > positions:
		limit = positions
	}
	return max(limit, origin+1)
}
