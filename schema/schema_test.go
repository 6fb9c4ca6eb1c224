package schema_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"parley/graph/gen"
	"parley/internal/testkit"
	"parley/schema"
)

func load(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schema.SDL()})
	require.NoError(t, err)
	return s
}

func TestSDLHoldsEveryFileOfTheFolder(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.graphql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, schema.SDL(), string(data), "SDL leaves %s out", file)
	}
}

func TestSDLIsTheSchemaThatIsServed(t *testing.T) {
	t.Parallel()
	served := gen.NewExecutableSchema(gen.Config{}).Schema()
	a, b := printed(load(t)), printed(served)
	assert.Equal(t, b, a, "the SDL differs from the generated code: run `make generate`")
}

// printed gives the schema with its fields in one order, which that of the
// files does not change.
func printed(s *ast.Schema) string {
	for _, d := range s.Types {
		slices.SortFunc(d.Fields, func(a, b *ast.FieldDefinition) int { return strings.Compare(a.Name, b.Name) })
	}
	var b bytes.Buffer
	formatter.NewFormatter(&b).FormatSchema(s)
	return b.String()
}

func TestEverythingHasADescription(t *testing.T) {
	t.Parallel()
	s := load(t)
	need := func(where, description string) {
		assert.NotEmpty(t, strings.TrimSpace(description), "%s has no description", where)
	}
	for _, d := range s.Types {
		if d.BuiltIn || strings.HasPrefix(d.Name, "__") {
			continue
		}
		if d != s.Mutation && d != s.Subscription {
			need(d.Name, d.Description)
		}
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			need(d.Name+"."+f.Name, f.Description)
			for _, a := range f.Arguments {
				need(d.Name+"."+f.Name+"("+a.Name+")", a.Description)
			}
		}
		for _, v := range d.EnumValues {
			need(d.Name+"."+v.Name, v.Description)
		}
	}
}

func TestMutationsTakeOneInputAndReturnOnePayload(t *testing.T) {
	t.Parallel()
	for _, f := range load(t).Mutation.Fields {
		name := strings.ToUpper(f.Name[:1]) + f.Name[1:]
		if len(f.Arguments) != 1 || f.Arguments[0].Name != "input" || f.Arguments[0].Type.Name() != name+"Input" || f.Type.String() != name+"Payload!" {
			t.Errorf("%s takes %v and returns %s", f.Name, f.Arguments, f.Type)
		}
	}
}

// What clients are written against. More may come; none of this may change.
var promised = []string{
	`mutation($i: SignUpInput!) { signUp(input: $i) { accessToken refreshToken viewer { id email role } cursor } }`,
	`mutation { signUp(input: {email: "a@example.org", password: "12345678"}) { cursor } }`,
	`mutation($i: CreateNoteInput!) { createNote(input: $i) { note { id title text language version createdAt updatedAt } cursor } }`,
	`mutation($t: String!, $x: String!, $l: Language) { createNote(input: {title: $t, text: $x, language: $l}) { cursor } }`,
	`mutation($t: String!, $x: String!, $f: NoteFormat) { createNote(input: {title: $t, text: $x, format: $f}) { note { format } } }`,
	`mutation($i: TranslateNoteInput!) { translateNote(input: $i) { jobs { id kind state } cursor } }`,
	`mutation($n: ID!, $l: [Language!]!, $k: String) { translateNote(input: {noteId: $n, languages: $l, idempotencyKey: $k}) { cursor } }`,
	`mutation($n: [ID!]!, $l: [Language!]!, $k: String) { translateNotes(input: {noteIds: $n, languages: $l, idempotencyKey: $k}) { jobs { id kind state } cursor } }`,
	`mutation($i: TranslateNotesInput!) { translateNotes(input: $i) { cursor } }`,
	`mutation($id: ID!) { cancelJob(input: {id: $id}) { job { state } } }`,
	`mutation($i: RetryJobInput!) { retryJob(input: $i) { job { state } } }`,
	`query($id: ID!, $h: Boolean) { note(id: $id) { translations(history: $h) { id language text state model createdAt } } }`,
	`query($id: ID!) { note(id: $id) { translations { id } all: translations(history: true) { id } } }`,
	`query($f: Int, $a: Cursor, $l: Int, $b: Cursor, $g: Language, $t: String, $i: Language, $o: OrderDirection!) {
		notes(first: $f, after: $a, last: $l, before: $b, filter: {language: $g, text: $t, translatedInto: $i}, orderBy: {field: CREATED_AT, direction: $o}) {
			edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
	`{ a: notes(orderBy: {field: UPDATED_AT, direction: ASC}) { totalCount } b: notes(orderBy: {field: TITLE, direction: DESC}) { totalCount } }`,
	`{ noteStats { total byLanguage { language count } byTarget { language count } byState { state count } } }`,
	`query($id: ID!) { job(id: $id) { id kind state waitingFor attempt maxAttempts runAt progress
		attempts { number reason startedAt endedAt } error { code message } result { ... on Translation { language text } } } }`,
	`subscription($id: ID!) { job(id: $id) { cursor version job { id state progress result { ... on Translation { text } } } partialText } }`,
	`subscription($n: ID!, $a: EventCursor) { translations(noteId: $n, after: $a) { cursor translation { language text state } } }`,
	`subscription($a: EventCursor) { events(after: $a, topics: [JOBS, NOTES]) { cursor at } }`,
	`subscription { events { __typename ... on StreamReset { reason } ... on JobChanged { job { id } } ... on NoteChanged { note { id } } ... on TranslationChanged { translation { id } } } }`,
}

// The types that the promised operations were written with, where a query alone
// does not tell.
var promisedTypes = map[string]string{
	"Mutation.signUp": "SignUpPayload!", "Mutation.createNote": "CreateNotePayload!", "Mutation.translateNote": "TranslateNotePayload!",
	"Query.note": "Note", "Query.notes": "NoteConnection!", "Query.job": "Job", "Subscription.events": "Event!",
}

func TestThePromisedOperationsAreValid(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, query := range promised {
		_, errs := gqlparser.LoadQueryWithRules(s, query, nil)
		assert.Empty(t, errs, query)
	}
	for where, want := range promisedTypes {
		kind, field, _ := strings.Cut(where, ".")
		f := s.Types[kind].Fields.ForName(field)
		assert.True(t, f != nil && f.Type.String() == want, "%s is %v, want %s", where, f, want)
	}
	history := s.Types["Note"].Fields.ForName("translations").Arguments.ForName("history")
	assert.True(t, history != nil && history.Type.String() == "Boolean" && history.DefaultValue != nil && history.DefaultValue.Raw == "false",
		"translations(history) is %+v, want Boolean = false", history)
}

// graphql-eslint's recommended and Relay sets have no complaint.
func TestGraphQLESLintIsContent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testkit.Root(), "clients", "schema-lint")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		testkit.Missing(t, "the npm packages of clients/schema-lint: run `make test-deps`")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	cmd := exec.CommandContext(t.Context(), node, "lint.mjs")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "graphql-eslint: %v\n%s", err, out)
}
