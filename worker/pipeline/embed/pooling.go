package embed

import (
	"fmt"
	"math"
	"path"
	"strings"

	"parley/worker/bundle"
)

// pooling is how the states of a text's tokens become one vector: that of
// sentence-transformers' Pooling module, several ways one behind the other.
type pooling struct{ ways []poolingWay }

type poolingWay string

// The ways, in the order in which their parts stand in a vector.
const (
	poolCLS      poolingWay = "cls"
	poolMax      poolingWay = "max"
	poolMean     poolingWay = "mean"
	poolRoot     poolingWay = "mean_sqrt_len_tokens"
	poolWeighted poolingWay = "weightedmean"
	poolLast     poolingWay = "lasttoken"
)

// sentence is what the files of the sentence-transformers layout say.
type sentence struct {
	pooling   pooling
	normalize bool
	// length is the greatest number of tokens, 0 where no file says.
	length int
	lower  bool
	prompt string
}

// readSentence reads modules.json and what it names. A bundle without it is pooled by
// the mean, a causal network by the last token.
func readSentence(b *bundle.Bundle) (sentence, error) {
	s := sentence{pooling: pooling{[]poolingWay{poolMean}}}
	switch b.Config.ModelType {
	case "qwen2", "qwen3", "llama", "mistral", "gemma", "gemma2", "gemma3_text":
		s.pooling.ways[0] = poolLast
	}
	var modules []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if err := b.ReadJSON("modules.json", &modules); err != nil {
		return s, err
	}
	for _, m := range modules {
		kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]
		switch kind {
		case "Transformer":
		case "Normalize":
			s.normalize = true
		case "Pooling":
			if err := s.pooling.read(b, path.Join(m.Path, "config.json")); err != nil {
				return s, err
			}
		default:
			return s, fmt.Errorf("%w: modules.json: the module %s is not supported", bundle.ErrBroken, kind)
		}
	}
	return s, s.readTransformer(b)
}

func (s *sentence) readTransformer(b *bundle.Bundle) error {
	var transformer struct {
		Length int  `json:"max_seq_length"`
		Lower  bool `json:"do_lower_case"`
	}
	if err := b.ReadJSON("sentence_bert_config.json", &transformer); err != nil {
		return err
	}
	s.length, s.lower = transformer.Length, transformer.Lower
	var prompts struct {
		Prompts map[string]string `json:"prompts"`
		Default *string           `json:"default_prompt_name"`
	}
	if err := b.ReadJSON("config_sentence_transformers.json", &prompts); err != nil {
		return err
	}
	if prompts.Default != nil {
		s.prompt = prompts.Prompts[*prompts.Default]
	}
	return nil
}

func (p *pooling) read(b *bundle.Bundle, name string) error {
	var c struct {
		CLS      bool  `json:"pooling_mode_cls_token"`
		Max      bool  `json:"pooling_mode_max_tokens"`
		Mean     bool  `json:"pooling_mode_mean_tokens"`
		Root     bool  `json:"pooling_mode_mean_sqrt_len_tokens"`
		Weighted bool  `json:"pooling_mode_weightedmean_tokens"`
		Last     bool  `json:"pooling_mode_lasttoken"`
		Prompt   *bool `json:"include_prompt"`
	}
	if err := b.ReadJSON(name, &c); err != nil {
		return err
	}
	if c.Prompt != nil && !*c.Prompt {
		return fmt.Errorf("%w: %s: include_prompt false is not supported", bundle.ErrBroken, name)
	}
	p.ways = nil
	for _, w := range []struct {
		set bool
		way poolingWay
	}{{c.CLS, poolCLS}, {c.Max, poolMax}, {c.Mean, poolMean}, {c.Root, poolRoot}, {c.Weighted, poolWeighted}, {c.Last, poolLast}} {
		if w.set {
			p.ways = append(p.ways, w.way)
		}
	}
	if len(p.ways) == 0 {
		return fmt.Errorf("%w: %s: no way of pooling that is known", bundle.ErrBroken, name)
	}
	return nil
}

// of pools the states of a text's tokens, width numbers each.
func (p pooling) of(states []float32, width int) []float32 {
	vector := make([]float32, 0, width*len(p.ways))
	count := len(states) / width
	for _, way := range p.ways {
		switch way {
		case poolCLS:
			vector = append(vector, states[:width]...)
		case poolLast:
			vector = append(vector, states[(count-1)*width:]...)
		default:
			vector = append(vector, way.over(states, count, width)...)
		}
	}
	return vector
}

// over joins all states.
func (w poolingWay) over(states []float32, count, width int) []float32 {
	sums, total := make([]float64, width), 0.0
	part := make([]float32, width)
	for t := range count {
		weight := 1.0
		if w == poolWeighted {
			weight = float64(t + 1)
		}
		total += weight
		for i, x := range states[t*width : (t+1)*width] {
			sums[i] += weight * float64(x)
			if t == 0 || x > part[i] {
				part[i] = x
			}
		}
	}
	switch w {
	case poolMax:
		return part
	case poolRoot:
		total = math.Sqrt(total)
	}
	for i, x := range sums {
		part[i] = float32(x / total)
	}
	return part
}

// normalize divides a vector by its length; one of length 0 stays.
func normalize(vector []float32) {
	square := 0.0
	for _, x := range vector {
		square += float64(x) * float64(x)
	}
	if square == 0 {
		return
	}
	length := math.Sqrt(square)
	for i, x := range vector {
		vector[i] = float32(float64(x) / length)
	}
}
