package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func opened(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	tok, err := Open(dir)
	require.NoError(t, err)
	return tok
}

type reference struct {
	Cases []struct {
		Input      string  `json:"input"`
		InputIDs   []int64 `json:"input_ids"`
		OutputIDs  []int64 `json:"output_ids"`
		OutputText string  `json:"output_text"`
	} `json:"cases"`
	Tokens []struct {
		Input   string  `json:"input"`
		IDs     []int64 `json:"ids"`
		Decoded string  `json:"decoded"`
	} `json:"tokens"`
}

func checkReference(t *testing.T, tok *Tokenizer, dir string) {
	t.Helper()
	var ref reference
	require.NoError(t, readJSON(filepath.Join(dir, "reference.json"), &ref))
	require.NotEmpty(t, ref.Cases, "no cases")
	require.NotEmpty(t, ref.Tokens, "no cases")
	for _, c := range ref.Cases {
		got := tok.Encode(c.Input)
		assert.Equal(t, c.InputIDs, got, "Encode(%q) = %v, want %v", c.Input, got, c.InputIDs)
		if got := tok.Decode(c.OutputIDs); got != c.OutputText {
			t.Errorf("Decode of %q = %q, want %q", c.Input, got, c.OutputText)
		}
	}
	for _, c := range ref.Tokens {
		got := tok.Encode(c.Input)
		assert.Equal(t, c.IDs, got, "Encode(%q) = %v, want %v", c.Input, got, c.IDs)
		text := tok.Decode(got)
		assert.Equal(t, c.Decoded, text, "Decode(Encode(%q)) = %q, want %q", c.Input, text, c.Decoded)
	}
}

func TestMarianEqualsItsReference(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"translate-mini", "random/marian-random"} {
		dir := testkit.Shared(t, "models", filepath.FromSlash(name))
		checkReference(t, opened(t, dir), dir)
	}
}

// The vocabulary of a real opus-mt model over strings in 40 languages.
func TestRealVocabularyEqualsTheReference(t *testing.T) {
	t.Parallel()
	var texts []string
	eachLine(t, testkit.Shared(t, "models", "tokenizers", "strings.jsonl.zst"), func(line []byte) {
		var s string
		require.NoError(t, json.Unmarshal(line, &s))
		texts = append(texts, s)
	})
	dir := testkit.Shared(t, "models", "tokenizers", "opus-mt-tc-big-fr-en")
	tok := opened(t, dir)
	i, wrong := 0, 0
	eachLine(t, filepath.Join(dir, "ids.jsonl.zst"), func(line []byte) {
		var want struct {
			IDs     []int64 `json:"ids"`
			Decoded string  `json:"decoded"`
		}
		require.NoError(t, json.Unmarshal(line, &want))
		got := tok.Encode(texts[i])
		if !slices.Equal(got, want.IDs) || tok.Decode(got) != want.Decoded {
			wrong++
			if wrong < 10 {
				t.Errorf("%q:\n got %v %q\nwant %v %q", texts[i], got, tok.Decode(got), want.IDs, want.Decoded)
			}
		}
		i++
	})
	assert.True(t, i == len(texts) && i == 2026 && wrong <= 0, "%d of %d lines differ; %d texts", wrong, i, len(texts))
}

func eachLine(t testing.TB, path string, visit func([]byte)) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	z, err := zstd.NewReader(f)
	require.NoError(t, err)
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		visit(lines.Bytes())
	}
	require.NoError(t, lines.Err())
}

// A bundle without .spm files falls back to tokenizer.json, which gives the
// same ids for the texts that were translated.
func TestTokenizerJSONGivesTheSameIDs(t *testing.T) {
	t.Parallel()
	dir := testkit.Shared(t, "models", "translate-mini")
	alone := t.TempDir()
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(alone, "tokenizer.json"), data, 0o600))
	tok := opened(t, alone)
	var ref reference
	require.NoError(t, readJSON(filepath.Join(dir, "reference.json"), &ref))
	for _, c := range ref.Cases {
		got := tok.Encode(c.Input)
		assert.Equal(t, c.InputIDs, got, "Encode(%q) = %v, want %v", c.Input, got, c.InputIDs)
		if got := tok.Decode(c.OutputIDs); got != c.OutputText {
			t.Errorf("Decode of %q = %q, want %q", c.Input, got, c.OutputText)
		}
	}
	assert.Zero(t, tok.EOS(), "end %d, unknown %d", tok.EOS(), tok.engine.unknown())
	assert.Equal(t, int64(1), tok.engine.unknown(), "end %d, unknown %d", tok.EOS(), tok.engine.unknown())
}

func BenchmarkEncode(b *testing.B) {
	tok := opened(b, testkit.Shared(b, "models", "tokenizers", "opus-mt-tc-big-fr-en"))
	var texts []string
	size := 0
	eachLine(b, testkit.Shared(b, "models", "tokenizers", "strings.jsonl.zst"), func(line []byte) {
		var s string
		_ = json.Unmarshal(line, &s)
		texts = append(texts, s)
		size += len(s)
	})
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, s := range texts {
			tok.EncodeText(s)
		}
	}
}
