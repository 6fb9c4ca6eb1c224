package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"parley/internal/testkit"
)

func TestExamplesOfGraphiQLAreValidInTheSchema(t *testing.T) {
	t.Parallel()
	var sources []*ast.Source
	for _, path := range match(t, "schema", "*.graphql") {
		sources = append(sources, &ast.Source{Name: filepath.Base(path), Input: read(t, path)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatal(err)
	}
	assets := ""
	for _, path := range match(t, "internal", "server", "pages", "dist", "assets", "index-*.js") {
		assets += read(t, path)
	}
	for _, path := range match(t, "web", "graphiql", "src", "examples", "*.graphql") {
		document, err := gqlparser.LoadQueryWithRules(schema, read(t, path), rules.NewDefaultRules())
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		if name := document.Operations[0].Name; !strings.Contains(assets, name+"(") && !strings.Contains(assets, name+" {") {
			t.Errorf("%s is not in the embedded page: run `make web`", name)
		}
	}
}

func match(t *testing.T, elem ...string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(append([]string{testkit.Root()}, elem...)...))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %v: %v", elem, err)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
