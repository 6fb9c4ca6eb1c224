package paper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// marks stand around a section that another tool writes than the rest of a document.
func marks(name string) (begin, end string) {
	return "<!-- begin: " + name + " -->\n", "<!-- end: " + name + " -->\n"
}

// split cuts a document into what stands before a section, the section with its marks,
// and what stands behind; a document without it is all before.
func split(document, name string) (before, section, behind string) {
	begin, end := marks(name)
	from := strings.Index(document, begin)
	to := strings.Index(document, end)
	if from < 0 || to < from {
		return document, "", ""
	}
	to += len(end)
	return document[:from], document[from:to], document[to:]
}

// WriteSection puts a section into a document, in the place of an earlier one or at the
// end, and leaves the rest.
func WriteSection(path, name, text string) error {
	document, err := read(path)
	if err != nil {
		return err
	}
	before, _, behind := split(document, name)
	begin, end := marks(name)
	return save(path, strings.TrimRight(before, "\n")+"\n\n"+begin+text+end+behind)
}

// WriteAround writes a document but for a section, which stays as it is, at the end.
func WriteAround(path, name, text string) error {
	document, err := read(path)
	if err != nil {
		return err
	}
	if _, section, _ := split(document, name); section != "" {
		text = strings.TrimRight(text, "\n") + "\n\n" + section
	}
	return save(path, text)
}

func read(path string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the command line names it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return string(data), nil
}

func save(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a document for everybody
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
