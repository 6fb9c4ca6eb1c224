package graph

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/ent/gen"
	gen1 "parley/graph/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/object"
	"parley/internal/store"
)

// shelf is a domain without a database: it holds notes and counts how often it is
// asked for any. What fails is by id.
type shelf struct {
	mu    sync.Mutex
	asked [][]string
	notes map[string]*gen.Note
	fails map[string]error
}

func newShelf() *shelf {
	return &shelf{notes: map[string]*gen.Note{}, fails: map[string]error{}}
}

// put makes a note and gives its id.
func (s *shelf) put(title string) string {
	id := store.NewID("note")
	s.notes[id] = &gen.Note{ID: id, Title: title}
	return id
}

// fail makes an id that err is the answer to.
func (s *shelf) fail(err error) string {
	id := store.NewID("note")
	s.fails[id] = err
	return id
}

func (s *shelf) load(_ context.Context, ids []string) []object.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, ids)
	results := make([]object.Result, len(ids))
	for i, id := range ids {
		switch n := s.notes[id]; {
		case s.fails[id] != nil:
			results[i].Err = s.fails[id]
		case n == nil:
			results[i].Err = apperr.NotFoundf("There is no such note.")
		default:
			results[i].Object = n
		}
	}
	return results
}

// resolver announces the shelf, jobs that make its notes, and users, of which
// there are none.
func (s *shelf) resolver(t *testing.T) *Resolver {
	t.Helper()
	nobody := func(context.Context, []string) (map[string]*gen.User, error) { return nil, nil }
	set, err := domain.NewSet(domain.Domain{
		Name: "shelf",
		Kinds: []job.Kind{{
			Name: "write", Result: "note",
			Apply:  func(context.Context, []*job.Ended) ([]event.Change, error) { return nil, nil },
			Reopen: func(context.Context, *gen.Job) (json.RawMessage, error) { return nil, nil },
			Route:  func(json.RawMessage, []jobspec.Bundle) string { return "" },
		}},
		Objects: []object.Kind{{Prefix: "note", Load: s.load}, object.Many("user", "user", nobody)},
	})
	require.NoError(t, err)
	return &Resolver{Domains: set}
}

// respond calls ask with the loaders of one response.
func respond(ctx context.Context, r *Resolver, ask func(ctx context.Context)) {
	r.Loaders(ctx, func(ctx context.Context) *graphql.Response {
		ask(ctx)
		return nil
	})
}

func signedIn(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Viewer{ID: store.NewID("user"), Role: auth.RoleUser})
}

func machine(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Viewer{ID: store.NewID("user"), Role: auth.RoleService, Key: store.NewID("key")})
}

// run executes an operation as the server does: with the presenter and the
// loaders, and what each test adds.
func run(ctx context.Context, r *Resolver, query string, vars map[string]any, use ...func(*executor.Executor)) *graphql.Response {
	exec := executor.New(gen1.NewExecutableSchema(gen1.Config{Resolvers: r, Directives: gen1.DirectiveRoot{Delivery: Delivery}}))
	exec.SetErrorPresenter(PresentError)
	exec.SetRecoverFunc(Recover)
	exec.AroundResponses(r.Loaders)
	for _, u := range use {
		u(exec)
	}
	ctx = graphql.StartOperationTrace(ctx)
	op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: vars})
	if errs != nil {
		return exec.DispatchError(graphql.WithOperationContext(ctx, op), errs)
	}
	respond, ctx := exec.DispatchOperation(ctx, op)
	return respond(ctx)
}

// field puts the context into a field of a response, as a resolver's is.
func field(ctx context.Context, name string, arguments ...string) context.Context {
	ctx = graphql.WithResponseContext(ctx, PresentError, Recover)
	f := &ast.Field{Name: name, Alias: name}
	for _, a := range arguments {
		f.Arguments = append(f.Arguments, &ast.Argument{Name: a})
	}
	return graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: graphql.CollectedField{Field: f}})
}

// shown gives the errors that a client sees when a field fails with err.
func shown(ctx context.Context, err error) gqlerror.List {
	ctx = field(ctx, "thing")
	graphql.AddError(ctx, err)
	return graphql.GetErrors(ctx)
}

// code is what a client reads of an error.
func code(e *gqlerror.Error) any { return e.Extensions["code"] }
