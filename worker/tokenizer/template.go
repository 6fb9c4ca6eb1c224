package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// template is what is put around a text.
type template struct{ before, after []int64 }

// template gives what a post-processor's steps put around a text. Each works on
// what the one before it made.
func (s *jsonStep) template() (template, error) {
	var t template
	err := s.each(func(s *jsonStep) []jsonStep { return s.Processors }, func(s *jsonStep) error {
		step, err := s.around()
		if err != nil {
			return fmt.Errorf("post-processor %q: %w", s.Type, err)
		}
		t.before = slices.Concat(step.before, t.before)
		t.after = slices.Concat(t.after, step.after)
		return nil
	})
	return t, err
}

func (s *jsonStep) around() (template, error) {
	switch s.Type {
	case "TemplateProcessing":
		return s.places()
	case "RobertaProcessing", "BertProcessing":
		return template{[]int64{s.Cls.id}, []int64{s.Sep.id}}, nil
	case "ByteLevel":
		// It only shifts offsets.
		return template{}, nil
	}
	return template{}, errUnsupported
}

func (s *jsonStep) places() (template, error) {
	var t template
	texts := 0
	for _, p := range s.Single {
		switch {
		case p.Sequence != nil:
			texts++
		case p.Special != nil:
			special, ok := s.Specials[p.Special.ID]
			if !ok {
				return t, fmt.Errorf("special token %q is not described", p.Special.ID)
			}
			if texts == 0 {
				t.before = append(t.before, special.IDs...)
			} else {
				t.after = append(t.after, special.IDs...)
			}
		}
	}
	if texts != 1 {
		return t, errors.New("the text does not stand in it once")
	}
	return t, nil
}
