package sse_test

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

// clients/sse/server.mjs has the same schema, but for what only our own
// tests use: flood, feed, stubborn, breaks, panics, strange, pretty, whoami, slow, events,
// ticks and announced.
const sdl = `
type Query { hello: String! echo(text: String!): String! nothing: String boom: String strange: String panics: String pretty: String whoami: String! slow: String }
type Mutation { bump(by: Int!): Int! }
type Subscription {
	count(to: Int!): Int!
	idle: Int
	refused: Int
	breaks(after: Int!): Int!
	flood(bytes: Int!): String!
	feed: String!
	stubborn: Int
	events(to: Int!): Int!
	ticks: Int!
	announced: Int!
}`

// testSchema executes root fields only, in the way of gqlgen's generated code.
type testSchema struct {
	*ast.Schema
	feed    chan string         // what feed emits; closing it completes
	release chan struct{}       // ends stubborn, which does not heed its context
	readers chan *resume.Reader // of each events
	pumps   chan *pump          // of each announced
}

// pump is what gives an announced stream its messages.
type pump struct {
	reader   *resume.Reader
	messages chan int64
}

// emit gives a message, whose position is its number.
func (p *pump) emit(n int64) {
	p.messages <- n
	p.reader.Mark(event.Cursor{Epoch: epoch, Position: n})
}

func (p *pump) end() { close(p.messages); p.reader.Close() }

func newSchema() *testSchema {
	return &testSchema{
		Schema:  gqlparser.MustLoadSchema(&ast.Source{Input: sdl}),
		feed:    make(chan string),
		release: make(chan struct{}),
		readers: make(chan *resume.Reader, 64),
		pumps:   make(chan *pump, 1024),
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
		if oc.Operation.SelectionSet[0].(*ast.Field).Name == "slow" {
			<-ctx.Done()
			return nil
		}
		data := map[string]any{}
		for _, selection := range oc.Operation.SelectionSet {
			field := selection.(*ast.Field)
			value, err := resolve(ctx, field.Name, field.ArgumentMap(oc.Variables))
			if err != nil {
				graphql.AddError(ctx, &gqlerror.Error{Message: err.Error(), Path: ast.Path{ast.PathName(field.Alias)}})
			}
			data[field.Alias] = value
		}
		raw := encode(data)
		if _, ok := data["pretty"]; ok {
			raw = []byte("{\r\n\t\"pretty\":\n\"a\"\r}")
		}
		return &graphql.Response{Data: raw}
	}
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func resolve(ctx context.Context, name string, args map[string]any) (any, error) {
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
	case "pretty": // JSON that is on several lines
		return json.RawMessage("\"a\""), nil
	case "whoami":
		v, _ := auth.From(ctx)
		return v.ID, nil
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
	case "events", "ticks": // numbers after the position that the client says it has; ticks waits for feed
		reader := resume.From(ctx)
		s.readers <- reader
		if at, err := event.ParseCursor(reader.Last); err == nil {
			n = int(at.Position)
		}
		return func(ctx context.Context) *graphql.Response {
			if fmt.Sprint(n) == fmt.Sprint(args["to"]) {
				return nil
			}
			if field.Name == "ticks" {
				select {
				case <-s.feed:
				case <-ctx.Done():
					return nil
				}
			}
			n++
			reader.Mark(event.Cursor{Epoch: epoch, Position: int64(n)})
			return emit(n)
		}
	case "announced":
		p := &pump{resume.From(ctx), make(chan int64, 8)}
		p.reader.Announce()
		context.AfterFunc(ctx, p.reader.Close)
		s.pumps <- p
		return func(ctx context.Context) *graphql.Response {
			select {
			case v, ok := <-p.messages:
				if ok {
					return emit(v)
				}
			case <-ctx.Done():
			}
			return nil
		}
	case "refused":
		graphql.AddErrorf(ctx, "refused")
		return nil
	case "flood":
		size, _ := args["bytes"].(int64)
		text := strings.Repeat("x", int(size))
		return func(context.Context) *graphql.Response { return emit(text) }
	case "stubborn":
		return func(context.Context) *graphql.Response { <-s.release; return nil }
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
	default: // idle
		return func(ctx context.Context) *graphql.Response { <-ctx.Done(); return nil }
	}
}
