package content

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"parley/ent/gen/contentpart"
	"parley/ent/gen/contentrequest"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
)

// PromptCheck is what a model reads of a prompt.
type PromptCheck struct {
	Kind   contentpart.Kind
	Model  string
	Tokens int
	// MaxTokens is nil where nothing bounds them.
	MaxTokens *int
	// Cut is what the model would not read, nil for nothing.
	Cut *string
}

// CheckPrompt tells what the models for a kind would read of a prompt. It is UNAVAILABLE
// where no worker answers in time.
func (s *Service) CheckPrompt(ctx context.Context, prompt string, k Kind) ([]*PromptCheck, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := checkPrompt(prompt, "prompt"); err != nil {
		return nil, err
	}
	var checks []*PromptCheck
	for _, c := range craftsOf(k) {
		model, err := s.model(ctx, c)
		if err != nil {
			return nil, err
		}
		a, err := s.read(ctx, model, jobspec.PromptQuery{Prompt: prompt})
		if err != nil {
			return nil, err
		}
		check := &PromptCheck{Kind: c.part, Model: model.Name, Tokens: a.Tokens}
		if a.Most > 0 {
			check.MaxTokens = &a.Most
		}
		if cut := strings.TrimSpace(prompt[min(max(a.Kept, 0), len(prompt)):]); cut != "" {
			check.Cut = &cut
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// read asks a worker what a model reads of a prompt.
func (s *Service) read(ctx context.Context, model jobspec.Bundle, q jobspec.PromptQuery) (a jobspec.PromptAnswer, err error) {
	if s.Ask == nil || model.Digest == "" {
		return a, apperr.New(apperr.Unavailable, "No worker is there that could tell.")
	}
	ctx, end := context.WithTimeout(ctx, s.cfg.Deadline)
	defer end()
	data, err := s.Ask(ctx, jobspec.QuerySubject(model.Kind, model.Digest), q)
	if err != nil {
		var f *jobspec.Failure
		if errors.As(err, &f) && f.Code == jobspec.CodeInvalidInput {
			return a, apperr.New(apperr.BadInput, "%s", f.Message)
		}
		return a, apperr.Wrap(err, apperr.Unavailable, "No worker told in time what the model %s reads.", model.Name)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("read what a model reads: %w", err)
	}
	return a, nil
}

// check refuses what a model can't do: a prompt that leaves a language model no room for an
// answer, a picture of a size or in steps that are none of the model's. Where nobody can
// tell, the worker refuses it later.
func (s *Service) check(ctx context.Context, model jobspec.Bundle, p plan) error {
	var q jobspec.PromptQuery
	switch work := p.payload.(type) {
	case jobspec.Write:
		q.Prompt = work.Ask
	case jobspec.Draw:
		q.Prompt, q.Draw = work.Prompt, &work
	}
	a, err := s.read(ctx, model, q)
	var told *apperr.Error
	switch {
	case apperr.Is(err, apperr.Unavailable):
		return nil
	case q.Draw != nil && apperr.Is(err, apperr.BadInput) && errors.As(err, &told):
		return apperr.Input("options", "%s", told.Message)
	case err != nil || q.Draw != nil:
		return err
	case a.Most > 0 && a.Tokens >= a.Most:
		return apperr.Input("prompt", "The prompt has %d tokens, and the model %s has room for %d with its answer.", a.Tokens, model.Name, a.Most)
	}
	return nil
}

// Capability is what there is to make content of a kind.
type Capability struct {
	Kind      contentrequest.Kind
	Available bool
	Models    []string
	// Missing says what to install, nil where nothing is missing.
	Missing *string
}

// Capabilities tells what can be asked for.
func (s *Service) Capabilities(ctx context.Context) ([]*Capability, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	var all []*Capability
	for _, k := range []Kind{Text, Image, Instagram} {
		one := &Capability{Kind: k, Available: true, Models: []string{}}
		for _, c := range craftsOf(k) {
			model, err := s.model(ctx, c)
			var told *apperr.Error
			switch {
			case apperr.Is(err, apperr.ModelMissing) && errors.As(err, &told):
				one.Available = false
				if one.Missing == nil {
					one.Missing = &told.Message
				}
			case err != nil:
				return nil, err
			case model.Name != "":
				one.Models = append(one.Models, model.Name)
			}
		}
		all = append(all, one)
	}
	return all, nil
}
