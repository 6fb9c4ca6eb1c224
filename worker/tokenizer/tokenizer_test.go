package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func random(t testing.TB, name string) *Tokenizer {
	t.Helper()
	return opened(t, testkit.Shared(t, "models", "random", name))
}

func TestNamedTokens(t *testing.T) {
	t.Parallel()
	type named struct {
		eos, bos, pad, unknown int64
		size, maxLength        int
	}
	for name, want := range map[string]named{
		"gpt2-random":          {0, 0, -1, 0, 1200, 0},
		"qwen2-random":         {1202, -1, 1200, 1200, 1203, 0},
		"clip-random":          {1180, 1179, 1180, 1180, 1181, 32},
		"lcm-random/tokenizer": {982, 981, 982, 982, 983, 32},
		"bert-random":          {3, -1, 0, 1, 1500, 64},
		"t5-random":            {1, -1, 0, 2, 1008, 100},
		"nllb-random":          {2, 0, 1, 3, 1204, 100},
		"marian-random":        {0, -1, 1031, 1, 1032, 512},
	} {
		tok := random(t, filepath.FromSlash(name))
		assert.Equal(t, want, named{tok.EOS(), tok.BOS(), tok.Pad(), tok.Unknown(), tok.Size(), tok.MaxLength()}, name)
	}
}

func TestTokensAndIDs(t *testing.T) {
	t.Parallel()
	tok := random(t, "qwen2-random")
	id, ok := tok.ID("<|im_start|>")
	assert.True(t, ok)
	assert.Equal(t, int64(1201), id)
	token, ok := tok.Token(1201)
	assert.True(t, ok)
	assert.Equal(t, "<|im_start|>", token)
	token, _ = tok.Token(0)
	assert.Equal(t, "!", token)
	for _, id := range []int64{-1, 1203, 1 << 40} {
		_, ok = tok.Token(id)
		assert.False(t, ok, id)
	}
	_, ok = tok.ID("no such token")
	assert.False(t, ok)
}

func TestSpecialTokensCountOnlyWhereTheyShould(t *testing.T) {
	t.Parallel()
	qwen := random(t, "qwen2-random")
	prompt := "<|im_start|>user\nhi<|im_end|>"
	assert.Contains(t, qwen.EncodePrompt(prompt), int64(1201))
	assert.Contains(t, qwen.Encode(prompt), int64(1202))
	assert.Equal(t, prompt, qwen.DecodeAll(qwen.EncodePrompt(prompt)))
	assert.Equal(t, "user\nhi", qwen.Decode(qwen.EncodePrompt(prompt)))
	text := qwen.EncodeText(prompt)
	for _, id := range text {
		assert.Less(t, id, int64(1200))
	}
	assert.Equal(t, prompt, qwen.Decode(text))

	bert := random(t, "bert-random")
	assert.Equal(t, []int64{2, 3}, bert.Encode(""))
	assert.Empty(t, bert.EncodePrompt(""))
	assert.Equal(t, []int64{4}, bert.EncodePrompt("[MASK]"))
	assert.NotContains(t, bert.EncodeText("[MASK] [SEP]"), int64(4))
	assert.Equal(t, "[CLS] [MASK] [SEP]", bert.DecodeAll(bert.Encode("[MASK]")))
}

func TestEncodeWithinLeavesRoomForTheTemplate(t *testing.T) {
	t.Parallel()
	bert := random(t, "bert-random")
	whole := bert.Encode("one two three four five six")
	require.Greater(t, len(whole), 6)
	assert.Equal(t, append(whole[:5:5], 3), bert.EncodeWithin("one two three four five six", 6))
	assert.Equal(t, []int64{2, 3}, bert.EncodeWithin("one", 2))
	assert.Equal(t, []int64{2}, bert.EncodeWithin("one", 1))
	assert.Equal(t, whole, bert.EncodeWithin("one two three four five six", 0))
	assert.Equal(t, whole, bert.EncodeWithin("one two three four five six", len(whole)))
	bert.keepEnd = true
	assert.Equal(t, append([]int64{2}, whole[len(whole)-5:]...), bert.EncodeWithin("one two three four five six", 6))
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{">>deu<<", ">>fra<<", ">>spa<<"}, random(t, "marian-random").LanguageTokens())
	nllb := random(t, "nllb-random")
	assert.Len(t, nllb.LanguageTokens(), 202)
	assert.Contains(t, nllb.LanguageTokens(), "spa_Latn")
	english := nllb.Encode("Hello, world!")
	got, err := nllb.EncodeFrom("eng_Latn", "Hello, world!")
	require.NoError(t, err)
	assert.Equal(t, english, got)
	got, err = nllb.EncodeFrom("fra_Latn", "Hello, world!")
	require.NoError(t, err)
	french, _ := nllb.ID("fra_Latn")
	assert.Equal(t, append([]int64{french}, english[1:]...), got)
	nllb.legacy = true
	got, err = nllb.EncodeFrom("fra_Latn", "Hello, world!")
	require.NoError(t, err)
	assert.Equal(t, append(english[1:len(english):len(english)], french), got)
	_, err = nllb.EncodeFrom("xxx_Latn", "Hello")
	assert.ErrorContains(t, err, `"xxx_Latn"`)
	_, err = nllb.EncodeFrom("</s>", "Hello")
	assert.ErrorContains(t, err, `"</s>"`)
}

func TestNLLBsLooseFilesPutTheLanguageWhereItsBehaviourWants(t *testing.T) {
	t.Parallel()
	pieces, err := os.ReadFile(testkit.Shared(t, "models", "random", "nllb-random", "sentencepiece.bpe.model"))
	require.NoError(t, err)
	var encoded [2][]int64
	for i, legacy := range []string{"false", "true"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "sentencepiece.bpe.model"), pieces, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(`{"tokenizer_class": "NllbTokenizer", "src_lang": "fra_Latn", "legacy_behaviour": `+legacy+`,
			"added_tokens_decoder": {"1001": {"content": "eng_Latn", "special": true}, "1002": {"content": "fra_Latn", "special": true}}}`), 0o600))
		encoded[i] = opened(t, dir).Encode("Hello")
	}
	last := len(encoded[0]) - 1
	assert.Equal(t, int64(1002), encoded[0][0])
	assert.Equal(t, int64(2), encoded[0][last])
	assert.Equal(t, append(encoded[0][1:], 1002), encoded[1])
}

func TestM2M100PutsTheLanguageInFront(t *testing.T) {
	t.Parallel()
	tok := opened(t, testkit.Shared(t, "models", "tokenizers", "m2m100"))
	assert.Len(t, tok.LanguageTokens(), 100)
	assert.Equal(t, 1024, tok.MaxLength())
	english, err := tok.EncodeFrom("__en__", "Hello, world!")
	require.NoError(t, err)
	assert.Equal(t, tok.Encode("Hello, world!"), english)
	german, err := tok.EncodeFrom("de", "Hello, world!")
	require.NoError(t, err)
	id, _ := tok.ID("__de__")
	assert.Equal(t, append([]int64{id}, english[1:]...), german)
	assert.Equal(t, "Hello, world!", tok.Decode(german))
	assert.Equal(t, "__de__Hello, world!</s>", tok.DecodeAll(german))
	_, err = tok.EncodeFrom("tlh", "nuqneH")
	assert.ErrorContains(t, err, `"tlh"`)
}

// SentencePiece's byte pair encoding with pieces that the user defined, pieces
// that are not used, and bytes: worked out by hand from bpe_model.cc.
func TestMergerTakesPiecesApartThatAreNotUsed(t *testing.T) {
	t.Parallel()
	m, err := newMerger([]piece{
		{"<unk>", 0, pieceUnknown}, {"a", -9, pieceNormal}, {"b", -10, pieceNormal}, {"c", -11, pieceNormal},
		{"ab", -1, pieceUnused}, {"abc", -2, pieceNormal}, {"bc", -3, pieceNormal}, {"caca", 0, pieceUserDefined},
	})
	require.NoError(t, err)
	for text, want := range map[string][]string{
		"abc":      {"abc"},
		"ab":       {"a", "b"},
		"aab":      {"a", "a", "b"},
		"bcab":     {"bc", "a", "b"},
		"bcacaabc": {"b", "caca", "abc"},
		"xyabé":    {"xy", "a", "b", "é"},
	} {
		var got []string
		for _, n := range m.split(text) {
			got = append(got, text[n.start:n.end])
		}
		assert.Equal(t, want, got, text)
	}
}

func TestInvalidUTF8IsTakenAsReplacementCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gpt2-random", "t5-random", "nllb-random", "bert-random", "clip-random", "marian-random"} {
		tok := random(t, name)
		assert.Equal(t, tok.Encode("a\uFFFDb\uFFFD\uFFFD"), tok.Encode("a\xffb\xe2\x96"), name)
	}
}
