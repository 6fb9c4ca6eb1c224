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

// reference is what a reference.json says about the tokenizer alone.
type reference struct {
	Cases []struct {
		Input      string  `json:"input"`
		InputIDs   []int64 `json:"input_ids"`
		OutputIDs  []int64 `json:"output_ids"`
		OutputText string  `json:"output_text"`
	} `json:"cases"`
	Texts []struct {
		Input    string  `json:"input"`
		InputIDs []int64 `json:"input_ids"`
	} `json:"texts"`
	Chats []struct {
		Prompt   string  `json:"prompt"`
		InputIDs []int64 `json:"input_ids"`
	} `json:"chats"`
	Tokens []struct {
		Input   string  `json:"input"`
		IDs     []int64 `json:"ids"`
		Decoded string  `json:"decoded"`
	} `json:"tokens"`
}

// checkReference compares everything and gives how many comparisons there were.
func checkReference(t *testing.T, tok *Tokenizer, dir string) int {
	t.Helper()
	var ref reference
	require.NoError(t, readJSON(filepath.Join(dir, "reference.json"), &ref))
	require.NotEmpty(t, ref.Tokens, "no cases")
	for _, c := range ref.Cases {
		// Embeddings are of truncated texts; nothing else is that long.
		got := tok.EncodeWithin(c.Input, tok.MaxLength())
		assert.Equal(t, c.InputIDs, got, "Encode(%q) = %v, want %v", c.Input, got, c.InputIDs)
		if c.OutputIDs != nil {
			assert.Equal(t, c.OutputText, tok.Decode(c.OutputIDs), "Decode of %q", c.Input)
		}
	}
	for _, c := range ref.Texts {
		assert.Equal(t, c.InputIDs, tok.EncodeWithin(c.Input, tok.MaxLength()), "%q", c.Input)
	}
	for _, c := range ref.Chats {
		assert.Equal(t, c.InputIDs, tok.EncodePrompt(c.Prompt), "%q", c.Prompt)
	}
	for _, c := range ref.Tokens {
		got := tok.Encode(c.Input)
		assert.Equal(t, c.IDs, got, "Encode(%q) = %v, want %v", c.Input, got, c.IDs)
		assert.Equal(t, c.Decoded, tok.Decode(got), "Decode(Encode(%q))", c.Input)
	}
	return len(ref.Cases) + len(ref.Texts) + len(ref.Chats) + len(ref.Tokens)
}

func TestBundlesEqualTheirReferences(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{
		"translate-mini": 184, "caption-mini": 59, "minilm": 46, "sticker-mini": 46,
		"random/marian-random": 108, "random/nllb-random": 90, "random/t5-random": 86, "random/gpt2-random": 87,
		"random/qwen2-random": 89, "random/bert-random": 79, "random/clip-random": 79,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := testkit.Shared(t, "models", filepath.FromSlash(name))
			assert.Equal(t, count, checkReference(t, opened(t, dir), dir))
		})
	}
}

// Bundles without tokenizer.json, which hold the same in other files.
func TestLooseFilesEqualTheReferences(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"caption-mini", "minilm", "random/gpt2-random", "random/qwen2-random", "random/bert-random", "random/clip-random",
		"random/t5-random", "random/nllb-random",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := testkit.Shared(t, "models", filepath.FromSlash(name))
			alone := t.TempDir()
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			for _, file := range files {
				if data, err := os.ReadFile(file); err == nil && filepath.Base(file) != "tokenizer.json" {
					require.NoError(t, os.WriteFile(filepath.Join(alone, filepath.Base(file)), data, 0o600))
				}
			}
			assert.Greater(t, checkReference(t, opened(t, alone), dir), 40)
		})
	}
}

// Real vocabularies over strings in 40 languages. What was decoded for them was
// not tidied up, whatever the files say.
func TestRealVocabulariesEqualTheReference(t *testing.T) {
	t.Parallel()
	texts := sharedTexts(t)
	for _, name := range []string{"opus-mt-tc-big-fr-en", "m2m100", "all-minilm-l6-v2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := testkit.Shared(t, "models", "tokenizers", name)
			tok := opened(t, dir)
			tok.tidy = false
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
			assert.Equal(t, 2026, i)
			assert.Len(t, texts, i)
			assert.Zero(t, wrong, "lines that differ")
		})
	}
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
