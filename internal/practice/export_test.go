package practice

import (
	"context"

	"parley/ent/gen/learnererror"
)

// RecordFromModel is RecordErrors for errors that a model found in what a person
// said.
func (s *Service) RecordFromModel(ctx context.Context, user string, items []*ErrorInput) ([]Result, error) {
	return s.record(ctx, caller{user: user}, learnererror.SourceMODEL, items)
}

// FrequencyID is the id of the row that counts a kind of error.
func FrequencyID(learner, category, subcategory string) string {
	t := tally{digest: digest(nil, learner, category, subcategory)}
	return t.id()
}
