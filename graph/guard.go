package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/internal/domain"
)

// Guard refuses those root fields of an operation that the viewer may not use,
// as the domains announce it, before their resolvers are called. Nothing is
// done for each field of an operation of which nothing is refused.
func (r *Resolver) Guard(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if r.Domains == nil || op.Operation == nil {
		return next(ctx)
	}
	root := rootType(op.Operation.Operation)
	refused := r.refuse(ctx, root, op.Operation.SelectionSet, nil)
	if len(refused) == 0 {
		return next(ctx)
	}
	resolve := op.ResolverMiddleware
	op.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
		if f := graphql.GetFieldContext(ctx); f.Object == root {
			if err := refused[f.Field.Name]; err != nil {
				return nil, err
			}
		}
		return resolve(ctx, next)
	}
	return next(ctx)
}

// refuse adds the root fields of a selection that the viewer may not use to those
// that are refused already, nil for none.
func (r *Resolver) refuse(ctx context.Context, root string, selected ast.SelectionSet, refused map[string]error) map[string]error {
	for _, s := range selected {
		switch s := s.(type) {
		case *ast.Field:
			if may := r.Domains.Access(root + "." + s.Name); may != nil {
				if err := may(ctx); err != nil {
					if refused == nil {
						refused = map[string]error{}
					}
					refused[s.Name] = err
				}
			}
		case *ast.InlineFragment:
			refused = r.refuse(ctx, root, s.SelectionSet, refused)
		case *ast.FragmentSpread:
			refused = r.refuse(ctx, root, s.Definition.SelectionSet, refused)
		}
	}
	return refused
}

func rootType(of ast.Operation) string {
	switch of {
	case ast.Mutation:
		return "Mutation"
	case ast.Subscription:
		return "Subscription"
	}
	return "Query"
}

// CheckOperations refuses a schema of which some root field is announced by no
// domain, or announcements of fields that it does not have: who may use what is
// said once, by whose it is.
func CheckOperations(schema *ast.Schema, domains *domain.Set) error {
	var errs []error
	known := map[string]bool{}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range root.Fields {
			name := root.Name + "." + f.Name
			known[name] = true
			if f.Name[:1] != "_" && domains.Access(name) == nil {
				errs = append(errs, fmt.Errorf("no domain announces who may use %s", name))
			}
		}
	}
	for _, name := range domains.Operations() {
		if !known[name] {
			errs = append(errs, fmt.Errorf("%s is announced and not in the schema", name))
		}
	}
	return errors.Join(errs...)
}
