package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.NoError(t, err)
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
		name := document.Operations[0].Name
		assert.False(t, !strings.Contains(assets, name+"(") && !strings.Contains(assets, name+" {"), "%s is not in the embedded page: run `make web`", name)
	}
}

func match(t *testing.T, elem ...string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(append([]string{testkit.Root()}, elem...)...))
	require.NoError(t, err, "no files match %v", elem)
	require.NotEmpty(t, paths, "no files match %v", elem)
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
