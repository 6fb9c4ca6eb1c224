package practice

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/langtag"
	"parley/internal/store"
)

// Service keeps conversations, utterances and their errors, and counts these.
type Service struct {
	store      *store.Store
	keys       *idempotency.Keys
	utterances *batch.Writer[*pendingUtterance, *gen.Utterance]
	errors     *batch.Writer[*record, outcome]
	exercises  *batch.Reads[wanted, []*Frequency]
}

// New makes the service. observe is told of every transaction of many calls, and
// may be nil.
func New(s *store.Store, log *event.Log, observe func(batch.Flush)) *Service {
	p := &Service{store: s, keys: idempotency.New(s, log)}
	p.utterances = batch.New(s, batch.Config[*pendingUtterance, *gen.Utterance]{
		// Texts are long: this bounds the memory of those that wait to 40 MiB.
		MaxItems: 500, MaxWaiting: 5000,
		Name: "addUtterances", Key: (*pendingUtterance).key, Commit: p.commitUtterances, Observe: observe,
	})
	p.errors = batch.New(s, batch.Config[*record, outcome]{
		Name: "recordErrors", Key: func(r *record) string { return r.key }, Commit: p.commitErrors, Observe: observe,
	})
	p.exercises = batch.NewReads(batch.ReadConfig[wanted, []*Frequency]{Load: p.mostOfMany})
	return p
}

// Waiting gives the number of utterances and errors that wait for their
// transaction, and of exercises that wait for their statement.
func (s *Service) Waiting() int {
	return s.utterances.Waiting() + s.errors.Waiting() + s.exercises.Waiting()
}

// Start begins a conversation of the viewer, or for a service of one of its own
// learners, whom it makes known. The same idempotency key gives the first
// call's conversation; all keys of an account share them.
func (s *Service) Start(ctx context.Context, in StartInput) (*gen.Conversation, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRecord)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if err := who.check(in.ExternalID, "input", "externalId"); err != nil {
		return nil, err
	}
	if in.Language != nil {
		tag, err := langtag.Canonical(*in.Language)
		if err != nil {
			return nil, err
		}
		in.Language = &tag
	}
	var made *gen.Conversation
	fingerprint := StartInput{ExternalID: in.ExternalID, Language: in.Language}
	call := idempotency.Call{Owner: who.user + who.owner, Operation: "startConversation", Key: in.IdempotencyKey, Input: fingerprint}
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		var err error
		if made, err = s.begin(ctx, who, in); err != nil {
			return nil, err
		}
		return []string{made.ID}, nil
	})
	if err != nil {
		return nil, err
	}
	if !answer.Repeated {
		return made, nil
	}
	learner, err := s.learner(ctx, who, in.ExternalID)
	if err != nil {
		return nil, err
	}
	ctx = as(ctx, learner)
	c, err := s.store.Client(ctx).Conversation.Get(ctx, answer.Values[0])
	return c, store.Found(err, "conversation")
}

// begin makes the conversation inside the transaction of the context.
func (s *Service) begin(ctx context.Context, who caller, in StartInput) (*gen.Conversation, error) {
	learner := who.user
	if who.owner != "" {
		var err error
		if learner, err = s.acquaint(ctx, who.owner, *in.ExternalID); err != nil {
			return nil, err
		}
	}
	ctx = as(ctx, learner)
	c, err := s.store.Client(ctx).Conversation.Create().SetID(store.NewID("conv")).SetUserID(learner).SetNillableLanguage(in.Language).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a conversation: %w", err)
	}
	return c, nil
}
