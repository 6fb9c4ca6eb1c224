package practice

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/conversation"
	"parley/ent/gen/errorfrequency"
	"parley/ent/gen/externaluser"
	"parley/ent/gen/learnererror"
	"parley/ent/gen/utterance"
	"parley/internal/domain"
	"parley/internal/page"
)

// accountStep is how many rows of an account one transaction deletes, and how many
// are read at a time.
const accountStep = 500

// deleteAccount deletes what the account's own practice and that of the learners
// whom it named left, then these. A learner goes when a whole round found nothing
// more of them: without them nobody knows whose a late row is.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	if err := s.deletePractice(ctx, []string{account}); err != nil {
		return err
	}
	for {
		learners, err := s.store.Client(ctx).ExternalUser.Query().Where(externaluser.OwnerID(account)).Order(externaluser.ByID()).Limit(accountStep).IDs(ctx)
		if err != nil {
			return fmt.Errorf("find the learners of an account: %w", err)
		}
		if len(learners) == 0 {
			return nil
		}
		if err := s.deletePractice(ctx, learners); err != nil {
			return err
		}
		if _, err := s.deleteSome(ctx, "external_users", "id", learners); err != nil {
			return err
		}
	}
}

// deletePractice deletes everything of learners until nothing is left.
func (s *Service) deletePractice(ctx context.Context, learners []string) error {
	for more := true; more; {
		more = false
		for _, table := range []string{"utterances", "conversations", "learner_errors", "error_frequencies"} {
			for {
				n, err := s.deleteSome(ctx, table, "user_id", learners)
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
				more = true
			}
		}
	}
	return nil
}

type exportedConversation struct {
	ID         string    `json:"id"`
	ExternalID string    `json:"externalId,omitempty"`
	Language   *string   `json:"language"`
	CreatedAt  time.Time `json:"createdAt"`
}

type exportedUtterance struct {
	ID             string    `json:"id"`
	ConversationID string    `json:"conversationId"`
	ClientKey      *string   `json:"clientKey,omitempty"`
	Text           string    `json:"text"`
	CreatedAt      time.Time `json:"createdAt"`
}

type exportedError struct {
	ID          string              `json:"id"`
	UtteranceID string              `json:"utteranceId"`
	ClientKey   string              `json:"clientKey"`
	Index       int                 `json:"index"`
	Category    string              `json:"category"`
	Subcategory string              `json:"subcategory"`
	StartOffset *int                `json:"startOffset"`
	EndOffset   *int                `json:"endOffset"`
	Source      learnererror.Source `json:"source"`
	CreatedAt   time.Time           `json:"createdAt"`
}

type exportedFrequency struct {
	ExternalID  string    `json:"externalId,omitempty"`
	Category    string    `json:"category"`
	Subcategory string    `json:"subcategory"`
	Frequency   string    `json:"frequency"`
	LastAt      time.Time `json:"lastAt"`
}

// exportAccount writes the account's own practice, then that of each learner whom
// it named.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	export := func(learner *gen.ExternalUser) error {
		e := export{s, learner, write}
		for _, part := range []func(context.Context) error{e.conversations, e.errors, e.frequencies} {
			if err := part(ctx); err != nil {
				return fmt.Errorf("export practice: %w", err)
			}
		}
		return nil
	}
	if err := export(&gen.ExternalUser{ID: account}); err != nil {
		return err
	}
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.ExternalUser, error) {
			return s.store.Client(ctx).ExternalUser.Query().Where(externaluser.OwnerID(account), externaluser.IDGT(after)).
				Order(externaluser.ByID()).Limit(limit).All(ctx)
		},
		func(u *gen.ExternalUser) string { return u.ID }, export)
}

// export writes what one learner left.
type export struct {
	*Service
	// learner has no ExternalID where the account itself practised.
	learner *gen.ExternalUser
	write   domain.Write
}

func (e export) conversations(ctx context.Context) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.Conversation, error) {
			return e.store.Client(ctx).Conversation.Query().Where(conversation.UserID(e.learner.ID), conversation.IDGT(after)).
				Order(conversation.ByID()).Limit(limit).All(ctx)
		},
		func(c *gen.Conversation) string { return c.ID },
		func(c *gen.Conversation) error {
			if err := e.write("Conversation", exportedConversation{c.ID, e.learner.ExternalID, c.Language, c.CreatedAt.UTC()}); err != nil {
				return err
			}
			return e.utterances(ctx, c.ID)
		})
}

func (e export) utterances(ctx context.Context, of string) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.Utterance, error) {
			return e.store.Client(ctx).Utterance.Query().Where(utterance.ConversationID(of), utterance.IDGT(after)).
				Order(utterance.ByID()).Limit(limit).All(ctx)
		},
		func(u *gen.Utterance) string { return u.ID },
		func(u *gen.Utterance) error {
			return e.write("Utterance", exportedUtterance{u.ID, u.ConversationID, u.ClientKey, u.Text, u.CreatedAt.UTC()})
		})
}

func (e export) errors(ctx context.Context) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.LearnerError, error) {
			return e.store.Client(ctx).LearnerError.Query().Where(learnererror.UserID(e.learner.ID), learnererror.IDGT(after)).
				Order(learnererror.ByID()).Limit(limit).All(ctx)
		},
		func(l *gen.LearnerError) string { return l.ID },
		func(l *gen.LearnerError) error {
			return e.write("LearnerError", exportedError{
				l.ID, l.UtteranceID, l.ClientKey, l.Ordinal, l.Category, l.Subcategory, l.StartOffset, l.EndOffset, l.Source, l.CreatedAt.UTC(),
			})
		})
}

func (e export) frequencies(ctx context.Context) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.ErrorFrequency, error) {
			return e.store.Client(ctx).ErrorFrequency.Query().Where(errorfrequency.UserID(e.learner.ID), errorfrequency.IDGT(after)).
				Order(errorfrequency.ByID()).Limit(limit).All(ctx)
		},
		func(f *gen.ErrorFrequency) string { return f.ID },
		func(f *gen.ErrorFrequency) error {
			return e.write("ErrorFrequency", exportedFrequency{
				e.learner.ExternalID, f.Category, f.Subcategory, strconv.FormatInt(f.Frequency, 10), f.LastAt.UTC(),
			})
		})
}
