package graph

import (
	"testing"

	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/stretchr/testify/require"

	"parley/internal/store"
)

// These go through gqlgen and its parser, whose errors PresentError tells by
// their shape.

func TestWhatParserAndValidationRefuseIsBadInputInTheirWords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ query, want string }{
		"no GraphQL":       {"{ node(", "Expected"},
		"an unknown field": {"{ noSuchField }", "noSuchField"},
		"no operation":     {"", "no operation provided"},
	} {
		got := run(t.Context(), newShelf().resolver(t), test.query, nil)
		require.NotEmpty(t, got.Errors, name)
		require.Equal(t, "BAD_INPUT", code(got.Errors[0]), name)
		require.Contains(t, got.Errors[0].Message, test.want, name)
		require.NotContains(t, got.Errors[0].Extensions, "reference", name)
	}
}

func TestAVariableThatDoesNotFitIsBadInputAtItsArgument(t *testing.T) {
	t.Parallel()
	const query = `mutation($in: CreateNoteInput!) { createNote(input: $in) { cursor } }`
	for name, in := range map[string]map[string]any{
		"title": {"title": []any{}}, "format": {"title": "a", "text": "b", "format": "RTF"},
	} {
		got := run(signedIn(t.Context()), newShelf().resolver(t), query, map[string]any{"in": in})
		require.Len(t, got.Errors, 1, name)
		require.Equal(t, "BAD_INPUT", code(got.Errors[0]), name)
		require.Equal(t, []string{"in", name}, got.Errors[0].Extensions["argument"])
		require.Empty(t, got.Errors[0].Path, "no field of the answer is to blame")
	}
}

func TestAnArgumentThatItsScalarCantReadIsBadInputAtItsArgument(t *testing.T) {
	t.Parallel()
	r := newShelf().resolver(t)
	for name, test := range map[string]struct {
		query    string
		argument []string
	}{
		"a cursor":    {`{ eventsSince(after: "not one") { hasMore } }`, []string{"after"}},
		"a language":  {`mutation { createNote(input: {title: "a", text: "b", language: "!"}) { cursor } }`, []string{"input", "language"}},
		"an alias":    {`{ mine: eventsSince(after: "not one") { hasMore } }`, []string{"after"}},
		"a time":      {`{ exercise(top: 1, since: "yesterday") { category } }`, []string{"since"}},
		"a big int":   {`{ jobs(first: 99999999999) { totalCount } }`, []string{"first"}},
		"a page size": {`query($n: Int) { jobs(first: $n) { totalCount } }`, []string{"first"}},
	} {
		got := run(signedIn(t.Context()), r, test.query, map[string]any{"n": "9999999999999"})
		require.Len(t, got.Errors, 1, name)
		require.Equal(t, "BAD_INPUT", code(got.Errors[0]), "%s: %v", name, got.Errors)
		require.Equal(t, test.argument, got.Errors[0].Extensions["argument"], name)
		require.LessOrEqual(t, len(got.Errors[0].Path), 1, "%s: the path ends at the field", name)
	}
}

func TestAnOperationThatIsTooBigIsTooLarge(t *testing.T) {
	t.Parallel()
	const query = `{ viewer { id email } }`
	for name, limit := range map[string]func(*executor.Executor){
		"complexity": func(e *executor.Executor) { e.Use(extension.FixedComplexityLimit(1)) },
		"tokens":     func(e *executor.Executor) { e.SetParserTokenLimit(3) },
	} {
		got := run(signedIn(t.Context()), newShelf().resolver(t), query, nil, limit)
		require.Len(t, got.Errors, 1, name)
		require.Equal(t, "TOO_LARGE", code(got.Errors[0]), "%s: %v", name, got.Errors)
	}
}

func TestAPanicOfAResolverIsAnInternalErrorOfItsField(t *testing.T) {
	t.Parallel()
	ctx, log := withJournal(signedIn(t.Context()))
	got := run(ctx, newShelf().resolver(t), `{ noteStats { total } }`, nil) // there is no service to call
	require.Len(t, got.Errors, 1)
	require.Equal(t, "INTERNAL", code(got.Errors[0]))
	require.Equal(t, "noteStats", got.Errors[0].Path.String())
	require.Contains(t, log.String(), "panic in a resolver")
}

func TestTheSchemaShowsNodesByTheirTypesAndNullForTheRest(t *testing.T) {
	t.Parallel()
	s := newShelf()
	a, b := s.put("a"), s.put("b")
	got := run(signedIn(t.Context()), s.resolver(t), `query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Note { title } } }`,
		map[string]any{"ids": []any{b, store.NewID("note"), a}})
	require.Empty(t, got.Errors)
	require.JSONEq(t, `{"nodes":[{"__typename":"Note","id":"`+b+`","title":"b"},null,{"__typename":"Note","id":"`+a+`","title":"a"}]}`, string(got.Data))
}
