package bundle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// without are the values of a setting that change nothing.
var without = []string{"null", "false", "0", "0.0", "[]", "{}", `""`}

// neutral are the numbers that change nothing where it is not 0.
var neutral = map[string]float64{"num_beam_groups": 1, "guidance_scale": 1, "top_h": 1}

// unsupported are the settings of GenerationConfig that have an effect in the
// reference and none here.
var unsupported = []string{
	"assistant_early_exit", "constraints", "diversity_penalty", "dola_layers", "force_words_ids", "forced_decoder_ids",
	"guidance_scale", "max_time", "num_beam_groups", "penalty_alpha", "prompt_lookup_num_tokens", "remove_invalid_values",
	"token_healing", "top_h", "watermarking_config",
}

// refuseUnsupported names the settings of a JSON object that are set to something
// and can't be honoured.
func refuseUnsupported(settings []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(settings, &all); err != nil {
		return err
	}
	var names []string
	for _, name := range unsupported {
		value, ok := all[name]
		if !ok {
			continue
		}
		nothing := slices.Contains(without, string(value))
		if n, counts := neutral[name]; counts {
			nothing = string(value) == "null" || string(value) == strconv.FormatFloat(n, 'f', -1, 64) || string(value) == strconv.FormatFloat(n, 'f', 1, 64)
		}
		if !nothing {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("not supported: %s", strings.Join(names, ", "))
	}
	return nil
}

// SequenceBias is added to the score of the last of Tokens where the others precede it.
type SequenceBias struct {
	Tokens []int64
	Bias   float64
}

// UnmarshalJSON reads [[1, 2], -0.5].
func (b *SequenceBias) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[2]any{&b.Tokens, &b.Bias})
}

// LengthDecay raises the score of the end more and more: from the token Start on, by
// Factor to the power of the tokens since.
type LengthDecay struct {
	Start  int
	Factor float64
}

// UnmarshalJSON reads [5, 1.1].
func (d *LengthDecay) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[2]any{&d.Start, &d.Factor})
}

// Strings is a list of strings that may be written as a single one.
type Strings []string

// UnmarshalJSON reads "a" and ["a", "b"] alike; null changes nothing.
func (s *Strings) UnmarshalJSON(data []byte) error { return oneOrMany(data, (*[]string)(s)) }

// oneOrMany reads a value as a list of it, and a list; null changes nothing.
func oneOrMany[T any](data []byte, into *[]T) error {
	if string(data) == "null" {
		return nil
	}
	var one T
	if err := json.Unmarshal(data, &one); err == nil {
		*into = []T{one}
		return nil
	}
	var many []T
	if err := json.Unmarshal(data, &many); err != nil {
		return err
	}
	*into = many
	return nil
}

// Tokens is a list of token ids that may be written as a single one.
type Tokens []int64

// UnmarshalJSON reads 3 and [3, 4] alike; null changes nothing.
func (t *Tokens) UnmarshalJSON(data []byte) error { return oneOrMany(data, (*[]int64)(t)) }

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
