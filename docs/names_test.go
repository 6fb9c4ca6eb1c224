package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/config"
	"parley/internal/testkit"
)

// found gives what a pattern's first group matches, each once, with the first of
// the documents that has it.
func found(all []document, pattern string, in func(document) string) map[string]string {
	names := map[string]string{}
	for _, d := range all {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(in(d), -1) {
			if names[m[1]] == "" {
				names[m[1]] = d.name
			}
		}
	}
	return names
}

func whole(d document) string { return d.text }

// code is what a document gives as code: spans and blocks, one a line.
func code(d document) string {
	lines := slices.Clone(d.spans)
	for _, b := range d.blocks {
		lines = append(lines, b.text)
	}
	return strings.Join(lines, "\n")
}

// cookies are named like metrics.
var cookies = []string{"parley_session", "parley_visitor"}

func TestTheDocumentsNameEveryMetricAndNoOther(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile(`"(parley_[a-z_]+)"`)
	registered := map[string]string{}
	for file, text := range sources(t, "internal", "worker") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(cookies, m[1]) {
				registered[m[1]] = file
			}
		}
	}
	named := found(documents(t), "`(parley_[a-z_]+)`", whole)
	require.Greater(t, len(named), 20)
	for name, d := range named {
		assert.True(t, registered[name] != "" || slices.Contains(cookies, name), "%s names %s, which is no metric", d, name)
	}
	for name, file := range registered {
		assert.NotEmpty(t, named[name], "no document names %s of %s", name, file)
	}
}

// knobs are variables that are no settings, with what reads them.
var knobs = map[string]string{
	"PARLEY_CONFIG": "cmd/parley/command.go", "PARLEY_PASSWORD": "cmd/parley/user.go",
	"PARLEY_TEST_UPDATE": "internal/config/docs_test.go", "PARLEY_FAULT_SEED": "Makefile",
}

func TestEveryVariableThatIsNamedIsRead(t *testing.T) {
	t.Parallel()
	known := maps.Clone(knobs)
	for name, file := range knobs {
		says(t, read(t, file), name, "%s", file)
	}
	for _, s := range config.Settings() {
		known[s.Env] = s.Name
	}
	for name, d := range found(documents(t), `\b(PARLEY_[A-Z_]+|[A-Z]+_URL|AUTO_MIGRATE|ONNXRUNTIME_[A-Z]+)\b`, whole) {
		assert.NotEmpty(t, known[name], "%s names %s, which nothing reads", d, name)
	}
}

func TestEveryFlagThatIsNamedExists(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Name] = true
	}
	flag := regexp.MustCompile(`lags(?:\(\))?\.[A-Z][A-Za-z]+\((?:&[a-zA-Z]+, )?"([a-z-]+)"`)
	declared := regexp.MustCompile(`flags\.String\("([a-z-]+)"`)
	for _, text := range sources(t, "cmd/parley") {
		for _, m := range append(flag.FindAllStringSubmatch(text, -1), declared.FindAllStringSubmatch(text, -1)...) {
			known[m[1]] = true
		}
	}
	for name, d := range found(documents(t), `(?m)(?:^|[ \x60])--([a-z][a-z-]+)`, code) {
		assert.True(t, known[name], "%s names --%s, which is no flag", d, name)
	}
}

func TestEveryTargetOfMakeThatIsNamedExists(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	targets := found(documents(t), `(?m)(?:^|[ =\d])make ([a-z-]+)`, code)
	require.Greater(t, len(targets), 5)
	for name, d := range targets {
		says(t, makefile, "\n"+name+":", "%s names make %s; the Makefile", d, name)
	}
}

func TestEveryCommandThatIsNamedExists(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	use := regexp.MustCompile(`Use: +"([a-z]+)`)
	for _, text := range sources(t, "cmd/parley") {
		for _, m := range use.FindAllStringSubmatch(text, -1) {
			known[m[1]] = true
		}
	}
	commands := found(documents(t), `(?m)(?:^|[ /])parley ((?:[a-z]+(?: |$))+)`, code)
	require.Greater(t, len(commands), 5)
	for words, d := range commands {
		for i, word := range strings.Fields(words) {
			if i > 1 {
				break // arguments
			}
			assert.True(t, known[word], "%s names parley %s", d, words)
		}
	}
}

func TestEveryPackageThatATestCommandNamesExists(t *testing.T) {
	t.Parallel()
	for name, d := range found(documents(t), `(?:go test|go run|PKG=')[^\n]*? ?\./([a-z0-9/]+)`, code) {
		assert.DirExistsf(t, filepath.Join(testkit.Root(), name), "%s runs it", d)
	}
}

func TestEveryPageThatIsNamedIsServed(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	route := regexp.MustCompile(`"(?:[A-Z]+ )?(/[a-z0-9./]*)"`)
	for file, text := range sources(t, "internal/server") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range route.FindAllStringSubmatch(text, -1) {
			served[m[1]] = true
		}
	}
	for _, m := range regexp.MustCompile(`"([a-z_]+)": +\{answer:`).FindAllStringSubmatch(read(t, "internal/tenor/tenor.go"), -1) {
		served["/v2/"+m[1]] = true
	}
	for name, d := range found(documents(t), "(?:`(?:[A-Z]+ )?|localhost:8080)(/[a-z0-9]+(?:/[a-z_]+)*(?:\\.[a-z]+)?)`?", whole) {
		format := name[:strings.LastIndex(name, ".")+1] // downloads come in several
		assert.True(t, served[name] || served[format], "%s names %s", d, name)
	}
}

// goName is a name of a Go package with what it exports.
var goName = regexp.MustCompile(`^([a-z]+)\.([A-Z][A-Za-z]*)(\.[A-Z][A-Za-z]*)?(?:\(.*\)|\{.*\})?$`)

func TestEveryGoNameThatIsNamedExists(t *testing.T) {
	t.Parallel()
	exported := map[string]bool{}
	for file, text := range sources(t, "internal", "worker", "graph", "schema") {
		if !strings.HasSuffix(file, "_test.go") {
			exports(t, text, exported)
		}
	}
	seen := 0
	for _, d := range documents(t) {
		for _, s := range d.spans {
			if m := goName.FindStringSubmatch(s); m != nil {
				seen++
				assert.True(t, exported[m[1]+"."+m[2]+m[3]], "%s names %s", d.name, s)
			}
		}
	}
	require.GreaterOrEqual(t, seen, 10)
}

// exports notes what a file declares: functions, types with their methods and
// fields, constants and variables. A method is also known without its type.
func exports(t *testing.T, text string, into map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	require.NoError(t, err)
	note := func(names ...string) { into[file.Name.Name+"."+strings.Join(names, ".")] = true }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			note(n.Name.Name)
			if n.Recv != nil {
				note(receiver(n.Recv.List[0].Type), n.Name.Name)
			}
			return false
		case *ast.ValueSpec:
			for _, name := range n.Names {
				note(name.Name)
			}
		case *ast.TypeSpec:
			note(n.Name.Name)
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						note(n.Name.Name, name.Name)
					}
				}
			}
		}
		return true
	})
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
