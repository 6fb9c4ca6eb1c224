package server

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/errgroup"

	"parley/internal/apperr"
)

// Drain begins the end of the server, while it still answers: /readyz says no,
// mutations are refused, and long polls end. Connections that last are closed by
// their transports.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.cfg.Resolver.Streams.Stop()
}

// RunConnections keeps the connections that last, of every transport, until ctx
// ends, and then drains them at the same time.
func (s *Server) RunConnections(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return s.Sockets.Run(ctx) })
	all.Go(func() error { return s.Streams.Run(ctx) })
	return all.Wait()
}

// drainGate refuses mutations while the server drains.
type drainGate struct{ *Server }

// ExtensionName names the check.
func (drainGate) ExtensionName() string { return "DrainGate" }

// Validate has nothing to check.
func (drainGate) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses a mutation before anything of it was done.
func (g drainGate) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	if op.Operation.Operation != ast.Mutation || !g.draining.Load() {
		return nil
	}
	refusal := apperr.New(apperr.Unavailable, "The server restarts: send this again.")
	refusal.RetryAfter = time.Second
	return gqlerror.Wrap(refusal)
}
