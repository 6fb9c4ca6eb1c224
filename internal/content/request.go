package content

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/ent/gen/contentrequest"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/idempotency"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Request takes a wish of the viewer and queues a job for each of its parts. The same
// idempotency key gives the first call's request, NOT_FOUND when it was deleted since.
func (s *Service) Request(ctx context.Context, in RequestInput) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	same := in
	same.IdempotencyKey = nil
	call := idempotency.Call{Owner: viewer.ID, Operation: "requestContent", Key: in.IdempotencyKey, Input: same}
	if first, err := s.earlier(ctx, call); first != nil || err != nil {
		return first, err
	}
	w := wish{kind: in.Kind, prompt: in.Prompt}
	if in.Options == nil {
		in.Options = &Options{}
	}
	for _, c := range craftsOf(in.Kind) {
		model, err := s.model(ctx, c)
		if err != nil {
			return nil, err
		}
		p := imagePlan(model.Name, in.Prompt, in.Options.Image)
		if c == writing {
			p, err = textPlan(model.Name, in.Prompt, in.Options.Text)
		}
		if err == nil {
			err = s.check(ctx, model, p)
		}
		if err != nil {
			return nil, err
		}
		w.plans = append(w.plans, p)
	}
	return s.once(ctx, call, w)
}

// earlier gives the request that an earlier call with the same key made, nil where there was
// none: a model that is gone since, or the request that it was made of, changes nothing.
func (s *Service) earlier(ctx context.Context, call idempotency.Call) (*Written, error) {
	answer, ok, err := s.keys.Earlier(ctx, call)
	if err != nil || !ok {
		return nil, err
	}
	r, err := s.get(ctx, answer.Values[0])
	if err != nil {
		return nil, err
	}
	return &Written{r, answer.Cursor}, nil
}

// wish is a request that is to be made.
type wish struct {
	kind   Kind
	prompt string
	of     *gen.ContentRequest
	origin contentrequest.Origin
	plans  []plan
}

// once makes a request, or gives the one that a call before this made.
func (s *Service) once(ctx context.Context, call idempotency.Call, w wish) (*Written, error) {
	var made *gen.ContentRequest
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		var err error
		if made, err = s.make(ctx, call.Owner, w); err != nil {
			return nil, err
		}
		return []string{made.ID}, nil
	})
	if err == nil && answer.Repeated {
		made, err = s.get(ctx, answer.Values[0])
	}
	if err != nil {
		return nil, err
	}
	return &Written{made, answer.Cursor}, nil
}

// make writes a request with its parts and queues their jobs.
func (s *Service) make(ctx context.Context, owner string, w wish) (*gen.ContentRequest, error) {
	client := s.store.Client(ctx)
	create := client.ContentRequest.Create().SetID(store.NewID(prefix)).SetOwnerID(owner).SetKind(w.kind).SetPrompt(w.prompt)
	if w.of != nil {
		create.SetOriginID(w.of.ID).SetOrigin(w.origin)
	}
	r, err := create.Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("make a content request: %w", err)
	}
	requests := make([]job.Request, len(w.plans))
	parts := make([]*gen.ContentPartCreate, len(w.plans))
	for i, p := range w.plans {
		payload, err := p.encoded(r.ID)
		if err != nil {
			return nil, err
		}
		requests[i] = job.Request{
			ID: store.NewID("job"), Owner: owner, Kind: p.work, Payload: payload, Subject: r.ID, Parent: r.ID, Lane: jobspec.LaneInteractive,
		}
		parts[i] = client.ContentPart.Create().SetID(store.NewID("part")).SetRequestID(r.ID).SetOwnerID(owner).SetKind(p.part).
			SetJobID(requests[i].ID).SetWork(payload)
	}
	if r.Edges.Parts, err = client.ContentPart.CreateBulk(parts...).Save(ctx); err != nil {
		return nil, fmt.Errorf("make the parts of a content request: %w", err)
	}
	_, err = s.jobs.Enqueue(ctx, requests, changed(r, ActionCreated))
	return r, err
}

// Regenerate asks for the same as a request of the viewer once more, with new seeds.
func (s *Service) Regenerate(ctx context.Context, id string, key *string) (*Written, error) {
	return s.repeat(ctx, "regenerate", id, key, contentrequest.OriginREGENERATED, func(ctx context.Context, r *gen.ContentRequest) (plans []plan, err error) {
		wished, err := s.wished(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, c := range craftsOf(r.Kind) {
			model, err := s.model(ctx, c)
			if err != nil {
				return nil, err
			}
			p, err := anew(wished[c.part], model.Name)
			if err == nil {
				err = s.check(ctx, model, p)
			}
			if err != nil {
				return nil, err
			}
			plans = append(plans, p)
		}
		return plans, nil
	})
}

// wished gives the parts of a request by their kinds, as they were asked for: those of one
// that was reproduced hold what it came to, and not what its owner wanted.
func (s *Service) wished(ctx context.Context, r *gen.ContentRequest) (map[contentpart.Kind]*gen.ContentPart, error) {
	parts := map[contentpart.Kind]*gen.ContentPart{}
	for {
		for _, p := range r.Edges.Parts {
			parts[p.Kind] = p
		}
		if r.OriginID == nil || *r.Origin != contentrequest.OriginREPRODUCED {
			return parts, nil
		}
		before, err := s.get(ctx, *r.OriginID)
		if apperr.Is(err, apperr.NotFound) {
			return parts, nil
		} else if err != nil {
			return nil, err
		}
		r = before
	}
}

// Reproduce asks for what there is of a request of the viewer again, so that the same comes
// out. It is CONFLICT where nothing is there, or where no worker has the model as it was.
func (s *Service) Reproduce(ctx context.Context, id string, key *string) (*Written, error) {
	return s.repeat(ctx, "reproduce", id, key, contentrequest.OriginREPRODUCED, func(ctx context.Context, r *gen.ContentRequest) (plans []plan, err error) {
		bundles, err := s.workers.Living(ctx)
		if err != nil {
			return nil, err
		}
		for _, part := range r.Edges.Parts {
			recipe, err := RecipeOf(part)
			if err != nil {
				return nil, err
			}
			if !there(part) || recipe == nil {
				continue
			}
			if !has(bundles, recipe) {
				return nil, apperr.New(apperr.Conflict, "No worker has the model %s as it was when it made this.", recipe.Model)
			}
			p, err := again(part, recipe)
			if err != nil {
				return nil, err
			}
			plans = append(plans, p)
		}
		if len(plans) == 0 {
			return nil, apperr.New(apperr.Conflict, "Nothing of this request is there: it is %s.", r.State)
		}
		return plans, nil
	})
}

// has tells whether a worker has the model of a recipe, with the same files.
func has(bundles []jobspec.Bundle, r *Recipe) bool {
	for _, b := range bundles {
		if b.Name == r.Model && b.Digest == r.Digest {
			return true
		}
	}
	return false
}

// repeat makes a request of another one of the viewer.
func (s *Service) repeat(ctx context.Context, operation, id string, key *string, origin contentrequest.Origin,
	plansOf func(context.Context, *gen.ContentRequest) ([]plan, error),
) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "requestId"); err != nil {
		return nil, err
	}
	if err := idempotency.CheckKey(key, "input", "idempotencyKey"); err != nil {
		return nil, err
	}
	call := idempotency.Call{Owner: viewer.ID, Operation: operation, Key: key, Input: id}
	if first, err := s.earlier(ctx, call); first != nil || err != nil {
		return first, err
	}
	r, err := s.own(ctx, id)
	if err != nil {
		return nil, err
	}
	w := wish{kind: r.Kind, prompt: r.Prompt, of: r, origin: origin}
	if w.plans, err = plansOf(ctx, r); err != nil {
		return nil, err
	}
	if len(w.plans) == 1 { // of two parts perhaps only one is there
		w.kind = Kind(w.plans[0].part)
	}
	return s.once(ctx, call, w)
}
