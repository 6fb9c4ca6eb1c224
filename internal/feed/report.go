package feed

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/postreport"
	"parley/ent/gen/predicate"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
)

// byReportTime is the order of the list of reports.
var byReportTime = page.Order[*gen.PostReport]{
	Name: "REPORTED", Column: postreport.FieldCreatedAt, Descending: true,
	Key: func(r *gen.PostReport) (any, string) { return r.CreatedAt, r.ID },
}

// Reports gives a page of what was said to be wrong with posts, for admins.
func (s *Service) Reports(ctx context.Context, args page.Args) (*page.Page[*gen.PostReport], error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	ctx = asSystem(ctx)
	return page.Load(args, byReportTime,
		func(c page.Cut, limit int) ([]*gen.PostReport, error) {
			rows, err := s.store.Client(ctx).PostReport.Query().Where(predicate.PostReport(c.Where)).Order(postreport.OrderOption(c.Order)).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("list reports: %w", err)
			}
			return rows, nil
		},
		func() (int, error) { return s.store.Client(ctx).PostReport.Query().Count(ctx) },
	)
}

// ReportsByID gives those of the reports that the viewer may see, by id.
func (s *Service) ReportsByID(ctx context.Context, ids []string) (map[string]*gen.PostReport, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*gen.PostReport, len(ids))
	if !viewer.Admin() {
		return found, nil
	}
	rows, err := s.store.Client(ctx).PostReport.Query().Where(postreport.IDIn(ids...)).All(asSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	for _, r := range rows {
		found[r.ID] = r
	}
	return found, nil
}

// Pictures gives where the pictures of posts are, by their ids.
func (s *Service) Pictures(ctx context.Context, ids []string) (map[string]*string, error) {
	rows, err := s.media.ByID(asSystem(ctx), ids)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*string, len(rows))
	for id, m := range rows {
		url, err := s.media.URL(m)
		if err != nil {
			return nil, apperr.Wrap(err, apperr.Internal, "The address of a picture can't be made.")
		}
		found[id] = &url
	}
	return found, nil
}
