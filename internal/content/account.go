package content

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/ent/gen/contentrequest"
	"parley/internal/domain"
	"parley/internal/page"
)

// accountStep is how many requests of an account are deleted or read at a time.
const accountStep = 50

// deleteAccount deletes the requests of an account with what was made, and cancels their
// jobs.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for n := accountStep; n == accountStep; {
		ids, err := s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.OwnerID(account)).
			Order(gen.Asc(contentrequest.FieldID)).Limit(accountStep).IDs(ctx)
		if err != nil {
			return fmt.Errorf("find the content requests of an account: %w", err)
		}
		n = len(ids)
		for _, id := range ids {
			err := s.store.Tx(ctx, func(ctx context.Context) error {
				if err := s.remove(ctx, id); err != nil {
					return err
				}
				return s.store.Erased(ctx)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

type exportedPart struct {
	Kind    contentpart.Kind  `json:"kind"`
	State   contentpart.State `json:"state"`
	Text    *string           `json:"text"`
	ImageID *string           `json:"imageId"`
	Recipe  json.RawMessage   `json:"recipe"`
}

type exportedRequest struct {
	ID        string         `json:"id"`
	Kind      Kind           `json:"kind"`
	Prompt    string         `json:"prompt"`
	State     State          `json:"state"`
	Of        *string        `json:"of"`
	Parts     []exportedPart `json:"parts"`
	Version   int64          `json:"version"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// exportAccount writes the requests of an account. Their pictures are written with the
// account's other pictures.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	err := page.All(accountStep,
		func(after string, limit int) ([]*gen.ContentRequest, error) {
			return withParts(s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.OwnerID(account), contentrequest.IDGT(after)).
				Order(gen.Asc(contentrequest.FieldID)).Limit(limit)).All(ctx)
		},
		func(r *gen.ContentRequest) string { return r.ID },
		func(r *gen.ContentRequest) error {
			out := exportedRequest{ID: r.ID, Kind: r.Kind, Prompt: r.Prompt, State: r.State, Of: r.OriginID, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
			for _, p := range r.Edges.Parts {
				out.Parts = append(out.Parts, exportedPart{p.Kind, p.State, p.Text, p.MediaID, p.Recipe})
			}
			return write("ContentRequest", out)
		},
	)
	if err != nil {
		return fmt.Errorf("export content requests: %w", err)
	}
	return nil
}
