package server

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"parley/internal/apperr"
)

// fieldLimit refuses documents with too many fields before they are validated:
// whether fields can be merged is decided pair by pair, and 14,000 of them, a
// request of 42 kB, would keep a core busy for 25 seconds.
type fieldLimit struct{ most int }

// ExtensionName names the limit.
func (fieldLimit) ExtensionName() string { return "FieldLimit" }

// Validate has nothing to check.
func (fieldLimit) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters counts the fields of a document that is long enough
// to have too many: each one needs two bytes.
func (l fieldLimit) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	if len(params.Query) < 2*l.most {
		return nil
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
	if err != nil {
		return nil //nolint:nilerr // parsing it again says what is wrong
	}
	n := 0
	for _, op := range doc.Operations {
		n += countFields(op.SelectionSet)
	}
	for _, fragment := range doc.Fragments {
		n += countFields(fragment.SelectionSet)
	}
	if n <= l.most {
		return nil
	}
	return gqlerror.Wrap(apperr.New(apperr.TooLarge, "A document has at most %d fields, this one has %d.", l.most, n))
}

func countFields(set ast.SelectionSet) int {
	n := len(set)
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			n += countFields(s.SelectionSet)
		case *ast.InlineFragment:
			n += countFields(s.SelectionSet)
		}
	}
	return n
}
