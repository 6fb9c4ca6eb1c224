package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("%s has no marks of the table", path)
	}
	want := before + tableBegin + table() + tableEnd + after
	if want == string(data) {
		return
	}
	if os.Getenv("PARLEY_TEST_UPDATE") != "1" {
		t.Fatal("docs/configuration.md differs from the settings: run PARLEY_TEST_UPDATE=1 go test ./internal/config")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
		t.Fatal(err)
	}
}

func TestTheExampleFileLoadsAndHoldsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.Root(), "config.example.yaml")
	values, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		value, ok := values[s.Name]
		if !ok || value != s.Default {
			t.Errorf("%s is %q in the example, its default is %q", s.Name, value, s.Default)
		}
	}
	if _, err := Load(nil, none, path); err != nil {
		t.Error(err)
	}
}
