package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

const (
	tableBegin = "<!-- The table is written by `PARLEY_TEST_UPDATE=1 go test ./internal/config`. -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// table is the reference of all settings in docs/configuration.md.
func table() string {
	var b strings.Builder
	b.WriteString("| flag, key in the file | variable | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, s := range Settings() {
		usual := "(empty)"
		if s.Default != "" {
			usual = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Name, s.Env, usual, strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*").Replace(s.Help))
	}
	return b.String()
}

func TestTheDocumentListsEverySettingAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.Root(), "docs", "configuration.md")
	data, err := os.ReadFile(path) //nolint:gosec // in the repository
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(data), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	require.True(t, ok, "%s has no marks of the table", path)
	require.True(t, ended, "%s has no marks of the table", path)
	want := before + tableBegin + table() + tableEnd + after
	if want == string(data) {
		return
	}
	if os.Getenv("PARLEY_TEST_UPDATE") != "1" {
		t.Fatal("docs/configuration.md differs from the settings: run PARLEY_TEST_UPDATE=1 go test ./internal/config")
	}
	require.NoError(t, os.WriteFile(path, []byte(want), 0o644)) //nolint:gosec // a document
}

func TestTheExampleFileLoadsAndHoldsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.Root(), "config.example.yaml")
	values, err := readFile(path)
	require.NoError(t, err)
	for _, s := range Settings() {
		value, ok := values[s.Name]
		assert.True(t, ok, "%s is %q in the example, its default is %q", s.Name, value, s.Default)
		assert.Equal(t, s.Default, value, "%s is %q in the example, its default is %q", s.Name, value, s.Default)
	}
	_, err = Load(nil, none, path)
	assert.NoError(t, err)
}
