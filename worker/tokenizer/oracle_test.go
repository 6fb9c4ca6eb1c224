package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// The golden files hold what the Rust library gives; oracle/tokenizers tells
// how they were made.

// generator gives the numbers of a linear congruential generator, as
// oracle/tokenizers/golden.mjs does.
func generator() func(n int) int {
	state := uint32(1)
	return func(n int) int {
		state = state*1664525 + 1013904223
		return int(state>>8) % n
	}
}

// ownTexts puts fragments together.
func ownTexts(t testing.TB) []string {
	t.Helper()
	var fragments []string
	require.NoError(t, readJSON(filepath.Join("testdata", "fragments.json"), &fragments))
	draw := generator()
	out := slices.Clone(fragments)
	between := []string{"", "", "", " ", " ", "  ", "\n"}
	for len(out) < 1100 {
		var text strings.Builder
		joiner := between[draw(len(between))]
		for range draw(8) + 2 {
			text.WriteString(fragments[draw(len(fragments))] + joiner)
		}
		if len(out)%50 == 0 {
			out = append(out, strings.Repeat(text.String(), 20))
		} else {
			out = append(out, text.String())
		}
	}
	return out
}

func sharedTexts(t testing.TB) []string {
	t.Helper()
	var texts []string
	eachLine(t, testkit.Shared(t, "models", "tokenizers", "strings.jsonl.zst"), func(line []byte) {
		var s string
		require.NoError(t, json.Unmarshal(line, &s))
		texts = append(texts, s)
	})
	return texts
}

func unpacked(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	require.NoError(t, err)
	z, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer z.Close()
	data, err = z.DecodeAll(data, nil)
	require.NoError(t, err)
	return data
}

// fromJSON makes a tokenizer of a tokenizer.json alone.
func fromJSON(t testing.TB, data []byte) *Tokenizer {
	t.Helper()
	f, err := parseJSON(data)
	require.NoError(t, err)
	tok := &Tokenizer{languages: map[string]int64{}}
	require.NoError(t, tok.setJSON(f, &config{}))
	tok.setNamed(&config{})
	return tok
}

var families = []string{
	"gpt2", "roberta", "regex", "qwen2", "llama3", "o200k", "clip", "bpe-words",
	"nllb", "llama2", "mistral", "gemma", "bert", "bert-cased", "t5", "unigram-bytes",
}

func family(t testing.TB, name string) *Tokenizer {
	t.Helper()
	data := string(unpacked(t, name, "tokenizer.json.zst"))
	if strings.Contains(data, "@charsmap") {
		data = strings.ReplaceAll(data, "@charsmap", string(unpacked(t, "charsmap.zst")))
	}
	return fromJSON(t, []byte(data))
}

type golden struct {
	IDs     []int64 `json:"ids"`
	Decoded *string `json:"decoded"`
}

func goldens(t testing.TB, name string) []golden {
	t.Helper()
	var all []golden
	eachLine(t, filepath.Join("testdata", name, "ids.jsonl.zst"), func(line []byte) {
		var g golden
		require.NoError(t, json.Unmarshal(line, &g))
		all = append(all, g)
	})
	return all
}

// compare gives how many texts differ.
func compare(t *testing.T, tok *Tokenizer, texts []string, want []golden) int {
	t.Helper()
	wrong := 0
	for i, text := range texts {
		decoded := text
		if want[i].Decoded != nil {
			decoded = *want[i].Decoded
		}
		got := tok.Encode(text)
		back := tok.Decode(want[i].IDs)
		if slices.Equal(got, want[i].IDs) && back == decoded {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("%q:\n got %v %q\nwant %v %q", text, got, back, want[i].IDs, decoded)
		}
	}
	return wrong
}

func TestOwnTextsEqualTheRustLibrary(t *testing.T) {
	t.Parallel()
	texts := ownTexts(t)
	require.Len(t, texts, 1100)
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Zero(t, compare(t, family(t, name), texts, goldens(t, name)), "of %d texts differ", len(texts))
		})
	}
}

func TestSharedTextsEqualTheRustLibrary(t *testing.T) {
	t.Parallel()
	texts := sharedTexts(t)
	require.Len(t, texts, 2026)
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := goldens(t, name)
			assert.Zero(t, compare(t, family(t, name), texts, all[len(all)-len(texts):]), "of %d texts differ", len(texts))
		})
	}
}

// Each pre-tokenizer and normalizer by itself, over a vocabulary that shows
// where words begin.
func TestPartsEqualTheRustLibrary(t *testing.T) {
	t.Parallel()
	var file struct {
		Model json.RawMessage                       `json:"model"`
		Parts map[string]map[string]json.RawMessage `json:"parts"`
	}
	require.NoError(t, json.Unmarshal(unpacked(t, "parts", "parts.json.zst"), &file))
	texts, all := ownTexts(t), goldens(t, "parts")
	require.Len(t, all, len(file.Parts)*len(texts))
	for i, name := range slices.Sorted(maps.Keys(file.Parts)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part := file.Parts[name]
			part["model"] = file.Model
			data, err := json.Marshal(part)
			require.NoError(t, err)
			assert.Zero(t, compare(t, fromJSON(t, data), texts, all[i*len(texts):]), "of %d texts differ", len(texts))
		})
	}
}

// Ids that make no sense: half characters, special tokens, pieces without the
// word that they go on.
func TestRandomIDsDecodeAsInTheRustLibrary(t *testing.T) {
	t.Parallel()
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok, draw, i := family(t, name), generator(), 0
			eachLine(t, filepath.Join("testdata", name, "decoded.jsonl.zst"), func(line []byte) {
				var want string
				require.NoError(t, json.Unmarshal(line, &want))
				ids := make([]int64, draw(12)+1)
				for k := range ids {
					if i%2 == 1 {
						ids[k] = int64(draw(tok.Size()))
					} else {
						ids[k] = int64(draw(min(tok.Size(), 270)))
					}
				}
				assert.Equal(t, want, tok.Decode(ids), "%v", ids)
				i++
			})
			assert.Equal(t, 500, i)
		})
	}
}
