package practice

import (
	"context"
	"errors"

	"parley/ent/gen"
)

// seedName is the key of what seed makes: a repeated call makes nothing twice.
const seedName = "seed"

// sayings are what the sample's learner says, with the kinds of their errors.
var sayings = []struct {
	text   string
	errors [][2]string
}{
	{"Yesterday I go to the market and buyed bread.", [][2]string{{"grammar", "past tense"}, {"grammar", "past tense"}}},
	{"She have two brother.", [][2]string{{"grammar", "agreement"}, {"grammar", "plural"}}},
	{"I am living here since three years.", [][2]string{{"vocabulary", "preposition"}}},
}

// seed gives the account a conversation with three utterances and their five
// errors. Within a day, for as long as its key is remembered, it begins no other.
func (s *Service) seed(ctx context.Context, _ string) error {
	name, english := seedName, "en"
	c, err := s.Start(ctx, StartInput{Language: &english, IdempotencyKey: &name})
	if err != nil {
		return err
	}
	for _, said := range sayings {
		u, err := s.AddUtterance(ctx, UtteranceInput{ConversationID: c.ID, Text: said.text, ClientKey: &said.text})
		if err != nil {
			return err
		}
		if err := s.seedErrors(ctx, u, said.errors); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) seedErrors(ctx context.Context, of *gen.Utterance, kinds [][2]string) error {
	items := make([]*ErrorInput, len(kinds))
	for i, kind := range kinds {
		items[i] = &ErrorInput{UtteranceID: of.ID, ClientKey: seedName, Index: i, Category: kind[0], Subcategory: kind[1]}
	}
	results, err := s.RecordErrors(ctx, items)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	return err
}
