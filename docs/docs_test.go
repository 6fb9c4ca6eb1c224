// Package docs_test holds the documents to what is: what they name must exist,
// what they count must be counted so.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// document is one file in its parts.
type document struct {
	// name is the path from the root.
	name string
	text string
	// spans are the words in backticks, prose is the text without blocks.
	spans []string
	prose string
	// blocks are those of code, by fences or by indentation.
	blocks []block
}

type block struct{ language, text string }

var (
	fence    = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	indented = regexp.MustCompile(`(?m)(?:^ {4}[^ ].*\n)+`)
	span     = regexp.MustCompile("`([^`\n]+)`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// documents gives all that describe the project as it is.
func documents(t testing.TB) []document {
	t.Helper()
	var all []document
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		paths, err := filepath.Glob(filepath.Join(testkit.Root(), pattern))
		require.NoError(t, err)
		for _, path := range paths {
			name, err := filepath.Rel(testkit.Root(), path)
			require.NoError(t, err)
			all = append(all, parse(name, read(t, name)))
		}
	}
	require.Greater(t, len(all), 20)
	return all
}

func parse(name, text string) document {
	d := document{name: name, text: text}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		d.blocks = append(d.blocks, block{m[1], m[2]})
	}
	d.prose = fence.ReplaceAllString(text, "")
	for _, m := range indented.FindAllString(d.prose, -1) {
		d.blocks = append(d.blocks, block{"sh", m})
	}
	d.prose = indented.ReplaceAllString(d.prose, "")
	for _, m := range span.FindAllStringSubmatch(d.prose, -1) {
		d.spans = append(d.spans, m[1])
	}
	return d
}

// read gives a file of the project by its path from the root.
func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(), name)) //nolint:gosec // in the repository
	require.NoError(t, err)
	return string(data)
}

// says tells that a text holds words, without printing the text.
func says(t testing.TB, text, words, format string, args ...any) {
	t.Helper()
	assert.Truef(t, strings.Contains(text, words), format+": it does not say %q", append(args, words)...)
}

// sources gives the texts of all Go files of the project, by their paths.
func sources(t testing.TB, rooms ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join(testkit.Root(), room), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			name, err := filepath.Rel(testkit.Root(), path)
			if err == nil {
				all[name] = read(t, name)
			}
			return err
		})
		require.NoError(t, err)
	}
	return all
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.prose, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := filepath.Join(filepath.Dir(d.name), target)
			if target == "" {
				path = d.name
			}
			if assert.Truef(t, there(path), "%s links to %s", d.name, m[1]) && anchor != "" {
				assert.Contains(t, anchors(read(t, path)), anchor, "%s links to %s", d.name, m[1])
			}
		}
	}
}

// anchors are those of a document's headings.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(words, " ", "-"))
	}
	return all
}

// path is what is written like one: with a slash, or with the ending of a file
// of ours.
var path = regexp.MustCompile(`^[A-Za-z0-9_.*{},-]+(/[A-Za-z0-9_.*{},-]+)*(/|\.(go|md|yml|yaml|graphql|json|sh))$|^[A-Za-z0-9_.*{},-]+(/[A-Za-z0-9_.*{},-]+)+$`)

// made are paths that are there only after make, or beside the binary.
var made = []string{"bin/", ".cache/", "var/", "./var"}

func TestEveryPathThatIsNamedExists(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, d := range documents(t) {
		for _, s := range d.spans {
			name := strings.TrimPrefix(strings.TrimPrefix(s, "./"), "parley/")
			if !path.MatchString(name) || strings.Contains(s, "://") || isMade(s) {
				continue
			}
			seen++
			assert.Truef(t, exists(d, name), "%s names %s, which does not exist", d.name, s)
		}
	}
	require.Greater(t, seen, 60)
}

func isMade(name string) bool {
	for _, m := range made {
		if strings.HasPrefix(name, m) {
			return true
		}
	}
	return false
}

// exists looks for a path from the root, and for a room also by its name within
// internal. A file without a folder may lie in any that the document's row names,
// so it may lie anywhere: it is a name that people search for.
func exists(d document, name string) bool {
	for _, from := range []string{"", "internal", filepath.Dir(d.name)} {
		if there(filepath.Join(from, name)) {
			return true
		}
	}
	return !strings.Contains(name, "/") && (there(filepath.Join("*", name)) || there(filepath.Join("*", "*", name)) || there(filepath.Join("*", "*", "*", name)))
}

func there(pattern string) bool {
	for _, p := range alternatives(pattern) {
		if found, err := filepath.Glob(filepath.Join(testkit.Root(), p)); err != nil || len(found) == 0 {
			return false
		}
	}
	return true
}

// alternatives unfolds {a,b} as a shell does.
func alternatives(pattern string) []string {
	before, rest, ok := strings.Cut(pattern, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{pattern}
	}
	var all []string
	for _, a := range strings.Split(inner, ",") {
		all = append(all, before+a+after)
	}
	return all
}

func TestEveryDecisionIsInTheListUnderItsTitle(t *testing.T) {
	t.Parallel()
	list := read(t, "docs/adr/README.md")
	files, err := filepath.Glob(filepath.Join(testkit.Root(), "docs/adr/[0-9]*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := filepath.Base(file)
		number := name[:4]
		title, _, _ := strings.Cut(read(t, "docs/adr/"+name), "\n")
		title, ok := strings.CutPrefix(title, "# "+number+": ")
		if assert.True(t, ok, "the title of %s begins with its number", name) {
			says(t, list, "| ["+number+"]("+name+") | "+title+" |", "docs/adr/README.md")
		}
	}
	assert.Equal(t, len(files), strings.Count(list, "| ["), "the list holds each once")
}
