package bundle

import (
	"bytes"
	"io"
	"os"
	"slices"

	"gopkg.in/yaml.v3"
)

// maxFrontMatter is how many bytes of README.md are looked at.
const maxFrontMatter = 64 << 10

// ReadmeLanguages gives the languages that the front matter of README.md names, as model
// cards on hubs do under `language`: canonical BCP 47 tags, sorted; none where nothing is
// said or it can't be read. Code words that are no language, such as "multilingual", are
// left out.
func (b *Bundle) ReadmeLanguages() []string {
	file, err := os.Open(b.path("README.md"))
	if err != nil {
		return nil
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFrontMatter))
	if err != nil {
		return nil
	}
	return frontMatterLanguages(data)
}

func frontMatterLanguages(readme []byte) []string {
	readme = bytes.ReplaceAll(readme, []byte("\r\n"), []byte("\n"))
	rest, ok := bytes.CutPrefix(readme, []byte("---\n"))
	matter, _, closed := bytes.Cut(rest, []byte("\n---"))
	if !ok || !closed {
		return nil
	}
	var said struct {
		Language yaml.Node `yaml:"language"`
	}
	if yaml.Unmarshal(matter, &said) != nil {
		return nil
	}
	var tags []string
	for _, n := range append([]*yaml.Node{&said.Language}, said.Language.Content...) {
		// Norwegian, "no", is a string here, whatever YAML 1.1 makes of it.
		if tag, ok := canonical(n.Value); n.Kind == yaml.ScalarNode && ok && len(tags) < maxLanguages {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}
