package practice

import (
	"parley/internal/domain"
	"parley/internal/object"
)

// Domain announces conversations, utterances and learners' errors.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "practice",
		Objects: []object.Kind{object.One("conv", s.Conversation), object.One("utt", s.Utterance), object.One("lerr", s.Error)},
		Waiting: s.Waiting,
	}
}
