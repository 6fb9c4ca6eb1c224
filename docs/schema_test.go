package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"parley/schema"
)

func contract(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schema.SDL()})
	require.NoError(t, err)
	return s
}

// words are all names of the schema: types, fields, arguments, values,
// directives; fields of types also as Type.field and field.field.
func words(s *ast.Schema) map[string]bool {
	all := map[string]bool{}
	for _, d := range s.Types {
		all[d.Name] = true
		for _, f := range d.Fields {
			all[f.Name], all[d.Name+"."+f.Name], all[lower(d.Name)+"."+f.Name] = true, true, true
			for _, a := range f.Arguments {
				all[a.Name] = true
			}
		}
		for _, v := range d.EnumValues {
			all[v.Name] = true
		}
	}
	for _, d := range s.Directives {
		all["@"+d.Name] = true
	}
	return all
}

func lower(name string) string { return strings.ToLower(name[:1]) + name[1:] }

var (
	// call is a field with its arguments.
	call = regexp.MustCompile(`^([a-z][A-Za-z]*)\((.*)\)$`)
	// named is a word of the kind that the schema uses: with capitals inside, or
	// with a dot between a type or field and a field. A word in small letters could be any.
	named    = regexp.MustCompile(`^(@[a-z]+|[a-z]+[A-Z][A-Za-z]*|[A-Z][a-z]+[A-Z][A-Za-z]*|[A-Z]{3,}(_[A-Z]+)*|[a-z]+\.[a-z][A-Za-z]*)$`)
	argument = regexp.MustCompile(`([a-z][A-Za-z]*)`)
)

// foreign are words that look like the schema's and are of something else.
var foreign = []string{
	"connectionParams", "EventSource", // of clients
	"VACUUM", "notes.revision", "notes.version", // of databases
	"extensions.code", "extensions.argument", // of the protocol
	"ev.rounds",                                  // of NATS
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", // of S3's library
	"openDomains", // of internal/app
}

func TestEveryWordOfTheSchemaThatIsNamedExists(t *testing.T) {
	t.Parallel()
	known := words(contract(t))
	seen := 0
	for _, d := range documents(t) {
		for _, s := range d.spans {
			if m := call.FindStringSubmatch(s); m != nil {
				seen++
				assert.True(t, known[m[1]], "%s names %s", d.name, s)
				// What stands in quotes is a value.
				for _, a := range argument.FindAllString(regexp.MustCompile(`"[^"]*"|\btrue\b|\bfalse\b|…`).ReplaceAllString(m[2], ""), -1) {
					assert.True(t, known[a], "%s names the argument %s of %s", d.name, a, s)
				}
				continue
			}
			if !named.MatchString(s) || slices.Contains(foreign, s) || elsewhere(s) {
				continue
			}
			seen++
			assert.True(t, known[s], "%s names %s", d.name, s)
		}
	}
	require.Greater(t, seen, 50)
}

// elsewhere tells that another test looks after a word: variables and files.
func elsewhere(s string) bool {
	return strings.HasPrefix(s, "PARLEY_") || strings.HasSuffix(s, "_URL") || s == "AUTO_MIGRATE" || s == "ONNXRUNTIME_LIB" || path.MatchString(s)
}

func TestTheOperationsThatTheDocumentsGiveAreValid(t *testing.T) {
	t.Parallel()
	s := contract(t)
	seen := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language != "graphql" {
				continue
			}
			doc, err := parser.ParseQuery(&ast.Source{Name: d.name, Input: b.text})
			require.NoError(t, err, d.name)
			for _, o := range doc.Operations { // each is a request of its own
				seen++
				errs := validator.ValidateWithRules(s, &ast.QueryDocument{Operations: ast.OperationList{o}}, nil)
				assert.Empty(t, errs, "%s, line %d of the block", d.name, o.Position.Line)
			}
		}
	}
	require.Greater(t, seen, 5)
}
