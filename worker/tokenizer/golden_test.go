package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"parley/internal/testkit"
)

func opened(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
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
	if err := readJSON(filepath.Join(dir, "reference.json"), &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.Cases) == 0 || len(ref.Tokens) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range ref.Cases {
		if got := tok.Encode(c.Input); !slices.Equal(got, c.InputIDs) {
			t.Errorf("Encode(%q) = %v, want %v", c.Input, got, c.InputIDs)
		}
		if got := tok.Decode(c.OutputIDs); got != c.OutputText {
			t.Errorf("Decode of %q = %q, want %q", c.Input, got, c.OutputText)
		}
	}
	for _, c := range ref.Tokens {
		got := tok.Encode(c.Input)
		if !slices.Equal(got, c.IDs) {
			t.Errorf("Encode(%q) = %v, want %v", c.Input, got, c.IDs)
		}
		if text := tok.Decode(got); text != c.Decoded {
			t.Errorf("Decode(Encode(%q)) = %q, want %q", c.Input, text, c.Decoded)
		}
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
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
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
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		got := tok.Encode(texts[i])
		if !slices.Equal(got, want.IDs) || tok.Decode(got) != want.Decoded {
			wrong++
			if wrong < 10 {
				t.Errorf("%q:\n got %v %q\nwant %v %q", texts[i], got, tok.Decode(got), want.IDs, want.Decoded)
			}
		}
		i++
	})
	if i != len(texts) || i != 2026 || wrong > 0 {
		t.Errorf("%d of %d lines differ; %d texts", wrong, i, len(texts))
	}
}

func eachLine(t testing.TB, path string, visit func([]byte)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		visit(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// A bundle without .spm files falls back to tokenizer.json, which gives the
// same ids for the texts that were translated.
func TestTokenizerJSONGivesTheSameIDs(t *testing.T) {
	t.Parallel()
	dir := testkit.Shared(t, "models", "translate-mini")
	alone := t.TempDir()
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(alone, "tokenizer.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	tok := opened(t, alone)
	var ref reference
	if err := readJSON(filepath.Join(dir, "reference.json"), &ref); err != nil {
		t.Fatal(err)
	}
	for _, c := range ref.Cases {
		if got := tok.Encode(c.Input); !slices.Equal(got, c.InputIDs) {
			t.Errorf("Encode(%q) = %v, want %v", c.Input, got, c.InputIDs)
		}
		if got := tok.Decode(c.OutputIDs); got != c.OutputText {
			t.Errorf("Decode of %q = %q, want %q", c.Input, got, c.OutputText)
		}
	}
	if tok.EOS() != 0 || tok.engine.unknown() != 1 {
		t.Errorf("end %d, unknown %d", tok.EOS(), tok.engine.unknown())
	}
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
