package practice

import (
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/object"
)

// Domain announces conversations, utterances and learners' errors.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "practice",
		Objects: []object.Kind{object.One("conv", s.Conversation), object.One("utt", s.Utterance), object.One("lerr", s.Error)},
		// People practise for themselves; machines need scopes, which depend on whom
		// they act for.
		Operations: map[string]auth.Access{
			"Query.conversations": auth.SignedIn, "Query.errorFrequencies": auth.SignedIn, "Query.exercise": auth.SignedIn,
			"Mutation.startConversation": auth.SignedIn, "Mutation.addUtterance": auth.SignedIn, "Mutation.addUtterances": auth.SignedIn,
			"Mutation.recordErrors": auth.SignedIn,
		},
		Waiting: s.Waiting,
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
		Seed:    s.seed,
	}
}
