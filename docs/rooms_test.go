package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gql "github.com/vektah/gqlparser/v2/ast"
)

// section gives what a document has under a heading.
func section(t *testing.T, name, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, name), "\n## "+title+"\n")
	require.True(t, ok, "%s has no section %q", name, title)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

func TestTheRoomsAreAllInTheTable(t *testing.T) {
	t.Parallel()
	table := section(t, "docs/architecture.md", "Rooms")
	rooms := map[string]bool{}
	for file, text := range sources(t, "cmd", "schema", "ent/schema", "graph", "internal", "worker", "e2e", "bench") {
		if !strings.HasSuffix(file, "_test.go") && !strings.Contains(text, "\n// Code generated") && !strings.HasPrefix(text, "// Code generated") {
			rooms[filepath.Dir(file)] = true
		}
	}
	require.Greater(t, len(rooms), 40)
	for room := range rooms {
		if !slices.Contains([]string{"graph/model", "internal/testkit/cmd/services"}, room) {
			says(t, table, "`"+room+"`", "the table of rooms in docs/architecture.md")
		}
	}
}

// imports gives the rooms of ours that those of a folder import, without those
// of its tests.
func imports(t *testing.T, room string) []string {
	t.Helper()
	var all []string
	for name, text := range sources(t, room) {
		if strings.HasSuffix(name, "_test.go") || filepath.Dir(name) != room {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range file.Imports {
			if path, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "parley/"); ok && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	require.NotEmpty(t, all, room)
	return all
}

// domains are what docs/architecture.md calls so.
var domains = []string{"account", "note", "practice", "dialog", "audit", "catalog", "media", "sticker", "content", "indexing", "feedback", "search", "feed"}

func TestDomainsKnowOfEachOtherWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	says(t, section(t, "docs/architecture.md", "Rooms"), "The domains are account, note, practice, dialog, audit, catalog, media, sticker, content, indexing, feedback, search and feed. None imports another, but for dialog, which imports audit,", "docs/architecture.md")
	for _, importer := range domains {
		var others []string
		for _, i := range imports(t, "internal/"+importer) {
			if name := strings.TrimPrefix(i, "internal/"); slices.Contains(domains, name) {
				others = append(others, name)
			}
		}
		switch importer {
		case "dialog":
			assert.Equal(t, []string{"audit"}, others)
		case "sticker":
			assert.ElementsMatch(t, []string{"media", "indexing"}, others)
		case "content":
			assert.Equal(t, []string{"media"}, others)
		case "note":
			assert.Equal(t, []string{"indexing"}, others)
		case "feed":
			assert.ElementsMatch(t, []string{"media", "indexing"}, others)
		case "search":
			assert.ElementsMatch(t, []string{"feed", "feedback", "indexing", "media", "note", "sticker"}, others)
		default:
			assert.Empty(t, others, "imported by %s", importer)
		}
	}
}

// statement is how a text in a program begins that a database is given.
var statement = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|UPDATE [a-z_]+ SET|DELETE FROM|WITH) `)

func TestSQLLiesWhereTheDocumentSays(t *testing.T) {
	t.Parallel()
	table := section(t, "docs/architecture.md", "Data")
	seen := map[string]bool{}
	for name, text := range sources(t, "internal", "graph", "worker", "cmd") {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/store/") || strings.HasPrefix(name, "internal/testkit/") || strings.HasPrefix(name, "graph/gen/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if words, err := strconv.Unquote(l.Value); err == nil && statement.MatchString(words) {
					seen[name] = true
				}
			}
			return true
		})
	}
	require.NotEmpty(t, seen)
	for name := range seen {
		says(t, table, "`"+name+"`", "the table of SQL in docs/architecture.md")
	}
	for _, m := range regexp.MustCompile("`(internal/[a-z/_]+\\.go)`").FindAllStringSubmatch(table, -1) {
		assert.True(t, seen[m[1]], "docs/architecture.md says that %s holds SQL", m[1])
	}
}

func TestEveryPlainListIsInTheTable(t *testing.T) {
	t.Parallel()
	table := section(t, "docs/architecture.md", "Lists")
	lists := map[string]bool{}
	for _, d := range contract(t).Types {
		if d.BuiltIn || d.Kind != gql.Object || strings.HasSuffix(d.Name, "Connection") || strings.HasSuffix(d.Name, "Payload") {
			continue
		}
		for _, f := range d.Fields {
			if f.Type.Elem != nil && !strings.HasPrefix(f.Name, "__") {
				lists[d.Name+"."+f.Name] = true
				says(t, table, "`"+d.Name+"."+f.Name+"`", "the table of lists in docs/architecture.md")
			}
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z][A-Za-z]+\\.[a-z][A-Za-z]+)`").FindAllStringSubmatch(table, -1) {
		assert.True(t, lists[m[1]], "%s is no list", m[1])
	}
}
