package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/resume"
)

const epoch = "an-epoch"

// clients/oracle/ws/server.mjs has the same schema, but for what only our own
// tests use: flood, feed, log, stubborn, waits, panics and late.
const sdl = `
type Query { hello: String! echo(text: String!): String! nothing: String boom: String strange: String panics: String waits: String }
type Mutation { bump(by: Int!): Int! }
type Subscription {
	count(to: Int!): Int!
	idle: Int
	refused: Int
	breaks(after: Int!): Int!
	flood(bytes: Int!): String!
	feed: String!
	log: Int!
	stubborn: Int
}`

// testSchema executes root fields only, in the way of gqlgen's generated code.
type testSchema struct {
	*ast.Schema
	feed    chan string   // what feed emits; closing it completes
	log     chan int64    // the positions that log emits
	book    *resume.Book  // where log begins
	release chan struct{} // ends stubborn and waits, which do not heed their contexts
	entered chan struct{} // told of each stubborn whose resolver was called
}

func newSchema() *testSchema {
	return &testSchema{
		Schema:  gqlparser.MustLoadSchema(&ast.Source{Input: sdl}),
		feed:    make(chan string),
		log:     make(chan int64),
		release: make(chan struct{}),
		entered: make(chan struct{}, 16),
	}
}

func (s *testSchema) schema() *graphql.ExecutableSchemaMock {
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return s.Schema },
		ExecFunc:   s.exec,
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) {
			return 0, false
		},
	}
}

func (s *testSchema) exec(ctx context.Context) graphql.ResponseHandler {
	oc := graphql.GetOperationContext(ctx)
	if oc.Operation.Operation == ast.Subscription {
		field := oc.Operation.SelectionSet[0].(*ast.Field)
		return s.subscribe(ctx, field, field.ArgumentMap(oc.Variables))
	}
	return func(ctx context.Context) *graphql.Response { // answers for ever, like a careless interceptor
		data := map[string]any{}
		for _, selection := range oc.Operation.SelectionSet {
			field := selection.(*ast.Field)
			if field.Name == "waits" {
				s.release <- struct{}{}
			}
			value, err := resolve(field.Name, field.ArgumentMap(oc.Variables))
			if err != nil {
				graphql.AddError(ctx, &gqlerror.Error{Message: err.Error(), Path: ast.Path{ast.PathName(field.Alias)}})
			}
			data[field.Alias] = value
		}
		return &graphql.Response{Data: encode(data)}
	}
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func resolve(name string, args map[string]any) (any, error) {
	switch name {
	case "hello":
		return "world", nil
	case "echo":
		return args["text"], nil
	case "bump":
		return args["by"], nil
	case "boom":
		return nil, errors.New("boom")
	case "strange": // what a column may hold
		return json.RawMessage("\"a\xffb\""), nil
	case "panics":
		panic("on purpose")
	default:
		return nil, nil
	}
}

func (s *testSchema) subscribe(ctx context.Context, field *ast.Field, args map[string]any) graphql.ResponseHandler {
	emit := func(v any) *graphql.Response {
		return &graphql.Response{Data: encode(map[string]any{field.Alias: v})}
	}
	n := 0
	switch field.Name {
	case "count", "breaks":
		last, breaks := args["to"], field.Name == "breaks"
		if breaks {
			last = args["after"]
		}
		return func(context.Context) *graphql.Response {
			if fmt.Sprint(n) == fmt.Sprint(last) {
				if breaks {
					panic(errors.New("broken"))
				}
				return nil
			}
			n++
			return emit(n)
		}
	case "refused":
		graphql.AddErrorf(ctx, "refused")
		return nil
	case "flood":
		size, _ := args["bytes"].(int64)
		text := strings.Repeat("x", int(size))
		return func(context.Context) *graphql.Response { return emit(text) }
	case "stubborn":
		return func(context.Context) *graphql.Response { s.entered <- struct{}{}; <-s.release; return nil }
	case "feed":
		return func(ctx context.Context) *graphql.Response {
			select {
			case text, ok := <-s.feed:
				if ok {
					return emit(text)
				}
			case <-ctx.Done():
			}
			return nil
		}
	case "log": // first the position behind which it begins, then what comes
		reader, head := resume.From(ctx), event.Cursor{Epoch: epoch}
		from, err := s.book.Begin(ctx, auth.Viewer{ID: "user_1", Session: "sess_1"}, resume.Ask{Head: head, FromHead: true})
		if err != nil {
			graphql.AddError(ctx, err)
			return nil
		}
		begin := make(chan int64, 1)
		if from == nil {
			from = &event.Cursor{Position: -1}
		}
		begin <- from.Position
		return func(ctx context.Context) *graphql.Response {
			var at int64
			select {
			case at = <-begin:
			case at = <-s.log:
				reader.Mark(event.Cursor{Epoch: epoch, Position: at})
			case <-ctx.Done():
				return nil
			}
			return emit(at)
		}
	default: // idle
		return func(ctx context.Context) *graphql.Response { <-ctx.Done(); return nil }
	}
}
