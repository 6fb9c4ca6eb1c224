package practice

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/conversation"
	"parley/ent/gen/errorfrequency"
	"parley/ent/gen/predicate"
	"parley/ent/gen/utterance"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// Exercise gives the top 1 to MaxTop most frequent kinds of error of a learner,
// equals by category and subcategory; with since only what was recorded from
// then on is counted. For a learner of whom nothing is known the list is empty.
func (s *Service) Exercise(ctx context.Context, externalID *string, top int, since *time.Time) ([]*Frequency, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRead)
	if err != nil {
		return nil, err
	}
	if err := who.check(externalID, "externalId"); err != nil {
		return nil, err
	}
	if top < 1 || top > MaxTop {
		return nil, apperr.Argument("top", "An exercise has 1 to %d kinds of error.", MaxTop)
	}
	if since != nil {
		return s.mostSince(ctx, who, externalID, top, *since)
	}
	return s.most(ctx, who, externalID, top)
}

// Frequencies gives a page of a learner's kinds of error in the order of
// Exercise.
func (s *Service) Frequencies(ctx context.Context, externalID *string, args page.Args) (*page.Page[*Frequency], error) {
	ctx, learner, err := s.reading(ctx, externalID)
	if err != nil {
		return nil, err
	}
	client := s.store.Client(ctx)
	order := page.Order[*Frequency]{
		Name: "FREQUENCY", Column: errorfrequency.FieldFrequency, Descending: true,
		Key: func(f *Frequency) (any, string) { return f.Frequency, "" },
		Tie: &page.Tie[*Frequency]{Column: errorfrequency.FieldPair, Key: func(f *Frequency) any { return pair(f.Category, f.Subcategory) }},
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*Frequency, error) {
			rows, err := client.ErrorFrequency.Query().Where(errorfrequency.UserID(learner), predicate.ErrorFrequency(c.Where)).
				Order(errorfrequency.OrderOption(c.Order)).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read error frequencies: %w", err)
			}
			list := make([]*Frequency, len(rows))
			for i, r := range rows {
				list[i] = &Frequency{r.Category, r.Subcategory, r.Frequency, r.LastAt.UTC()}
			}
			return list, nil
		},
		func() (int, error) {
			return client.ErrorFrequency.Query().Where(errorfrequency.UserID(learner)).Count(ctx)
		},
	)
}

// Conversations gives a page of a learner's conversations, the newest first.
func (s *Service) Conversations(ctx context.Context, externalID *string, args page.Args) (*page.Page[*gen.Conversation], error) {
	ctx, learner, err := s.reading(ctx, externalID)
	if err != nil {
		return nil, err
	}
	client := s.store.Client(ctx)
	order := page.Order[*gen.Conversation]{
		Name: "CONVERSATION", Column: conversation.FieldCreatedAt, Descending: true,
		Key: func(c *gen.Conversation) (any, string) { return c.CreatedAt, c.ID },
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.Conversation, error) {
			return client.Conversation.Query().Where(conversation.UserID(learner), predicate.Conversation(c.Where)).
				Order(conversation.OrderOption(c.Order)).Limit(limit).All(ctx)
		},
		func() (int, error) {
			return client.Conversation.Query().Where(conversation.UserID(learner)).Count(ctx)
		},
	)
}

// reading gives the learner whom the viewer names and a context with their
// rights. The learner is "" when they are unknown: nothing is theirs.
func (s *Service) reading(ctx context.Context, externalID *string) (context.Context, string, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRead)
	if err != nil {
		return nil, "", err
	}
	learner, err := s.learner(ctx, who, externalID)
	if err != nil {
		return nil, "", err
	}
	if learner == "" {
		return as(ctx, nobody), nobody, nil
	}
	return as(ctx, learner), learner, nil
}

// nobody is the id of no learner.
const nobody = "nobody"

// Utterances gives a page of a conversation that the viewer was given, the
// oldest first.
func (s *Service) Utterances(ctx context.Context, c *gen.Conversation, args page.Args) (*page.Page[*gen.Utterance], error) {
	if _, err := callerOf(ctx, auth.ScopePracticeRead); err != nil {
		return nil, err
	}
	ctx = as(ctx, c.UserID)
	client := s.store.Client(ctx)
	order := page.Order[*gen.Utterance]{
		Name: "UTTERANCE", Column: utterance.FieldCreatedAt,
		Key: func(u *gen.Utterance) (any, string) { return u.CreatedAt, u.ID },
	}
	return page.Load(args, order,
		func(cut page.Cut, limit int) ([]*gen.Utterance, error) {
			return client.Utterance.Query().Where(utterance.ConversationID(c.ID), predicate.Utterance(cut.Where)).
				Order(utterance.OrderOption(cut.Order)).Limit(limit).All(ctx)
		},
		func() (int, error) {
			return client.Utterance.Query().Where(utterance.ConversationID(c.ID)).Count(ctx)
		},
	)
}

// Conversation gives a conversation that the viewer may see.
func (s *Service) Conversation(ctx context.Context, id string) (*gen.Conversation, error) {
	ctx, err := s.seeing(ctx, "conv", "conversations", id)
	if err != nil {
		return nil, err
	}
	c, err := s.store.Client(ctx).Conversation.Get(ctx, id)
	return c, store.Found(err, "conversation")
}

// Utterance gives an utterance that the viewer may see.
func (s *Service) Utterance(ctx context.Context, id string) (*gen.Utterance, error) {
	ctx, err := s.seeing(ctx, "utt", "utterances", id)
	if err != nil {
		return nil, err
	}
	u, err := s.store.Client(ctx).Utterance.Get(ctx, id)
	return u, store.Found(err, "utterance")
}

// Error gives a learner's error that the viewer may see.
func (s *Service) Error(ctx context.Context, id string) (*gen.LearnerError, error) {
	ctx, err := s.seeing(ctx, "lerr", "learner_errors", id)
	if err != nil {
		return nil, err
	}
	e, err := s.store.Client(ctx).LearnerError.Get(ctx, id)
	return e, store.Found(err, "error")
}

// seeing gives a context in which a row can be read if the viewer may see it:
// people have their own, and a service that of its learner.
func (s *Service) seeing(ctx context.Context, prefix, table, id string) (context.Context, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRead)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	if who.owner == "" {
		return ctx, nil
	}
	learner, err := s.learnerOf(ctx, who.owner, table, id)
	if err != nil {
		return nil, err
	}
	if learner == "" {
		learner = nobody
	}
	return as(ctx, learner), nil
}
