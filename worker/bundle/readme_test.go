package bundle

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func TestReadmeLanguages(t *testing.T) {
	t.Parallel()
	for readme, want := range map[string][]string{
		"---\nlanguage: en\nlicense: mit\n---\n# a":             {"en"},
		"---\nlanguage: [fr, en, en]\n---\n":                    {"en", "fr"},
		"---\r\nlanguage:\r\n- de\r\n- multilingual\r\n---\r\n": {"de"},
		"---\nlanguage: no\n---\n":                              {"no"},
		"---\nlanguage: {a: b}\n---\n":                          nil,
		"---\nlanguage: [\n---\n":                               nil,
		"---\nlanguage: en\n":                                   nil,
		"language: en\n":                                        nil,
		"\xff\xfe":                                              nil,
		"":                                                      nil,
	} {
		assert.Equal(t, want, frontMatterLanguages([]byte(readme)), "%q", readme)
	}
	b, err := Open(testkit.Shared(t, "models", "sticker-mini"))
	require.NoError(t, err)
	assert.Equal(t, []string{"en"}, b.ReadmeLanguages())
}
