package graph

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/graph/gen"
	"parley/internal/auth"
	"parley/internal/domain"
)

var errShut = errors.New("shut")

func shut(context.Context) error { return errShut }

func guarded(t *testing.T, operations map[string]auth.Access) *domain.Set {
	t.Helper()
	set, err := domain.NewSet(domain.Domain{Name: "toys", Operations: operations})
	require.NoError(t, err)
	return set
}

func TestRefusedAreTheRootFieldsThatTheViewerMayNotUseHoweverTheyAreSpelled(t *testing.T) {
	t.Parallel()
	r := &Resolver{Domains: guarded(t, map[string]auth.Access{"Query.a": shut, "Query.b": shut, "Query.c": auth.Anyone, "Query.d": shut, "Mutation.c": shut})}
	field := func(name string) *ast.Field { return &ast.Field{Name: name, Alias: "other"} }
	selected := ast.SelectionSet{
		field("a"), field("c"), field("__typename"),
		&ast.InlineFragment{SelectionSet: ast.SelectionSet{field("b")}},
		&ast.FragmentSpread{Definition: &ast.FragmentDefinition{SelectionSet: ast.SelectionSet{field("d")}}},
	}
	require.Equal(t, map[string]error{"a": errShut, "b": errShut, "d": errShut}, r.refuse(t.Context(), "Query", selected, nil))
	require.Nil(t, r.refuse(t.Context(), "Query", ast.SelectionSet{field("c")}, nil))
}

func TestASchemaAndWhatDomainsAnnounceOfItMustFit(t *testing.T) {
	t.Parallel()
	schema := gen.NewExecutableSchema(gen.Config{}).Schema()
	all := map[string]auth.Access{}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range root.Fields {
			all[root.Name+"."+f.Name] = auth.Anyone
		}
	}
	delete(all, "Query.__schema")
	delete(all, "Query.__type")
	require.NoError(t, CheckOperations(schema, guarded(t, all)))
	delete(all, "Query.notes")
	all["Query.nothing"] = auth.Anyone
	err := CheckOperations(schema, guarded(t, all))
	require.ErrorContains(t, err, "no domain announces who may use Query.notes")
	require.ErrorContains(t, err, "Query.nothing is announced and not in the schema")
}
