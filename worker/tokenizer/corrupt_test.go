package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	spm, err := os.ReadFile(testkit.Shared(t, "models", "random", "marian-random", "source.spm"))
	require.NoError(t, err)
	pieces, err := os.ReadFile(testkit.Shared(t, "models", "random", "nllb-random", "sentencepiece.bpe.model"))
	require.NoError(t, err)
	const vocab = `{"</s>": 0, "<unk>": 1}`
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"empty folder":   {nil, "neither source.spm nor tokenizer.json"},
		"no vocabulary":  {map[string]string{"source.spm": string(spm)}, "vocab.json"},
		"cut spm":        {map[string]string{"source.spm": string(spm[:1000]), "vocab.json": vocab}, "source.spm: malformed protobuf"},
		"no target":      {map[string]string{"source.spm": string(spm), "vocab.json": vocab}, "target.spm"},
		"no unknown":     {map[string]string{"source.spm": string(spm), "vocab.json": `{"</s>": 0}`}, `has no "<unk>"`},
		"other model":    {map[string]string{"tokenizer.json": `{"model": {"type": "Morse"}}`}, `model "Morse": is not supported`},
		"no class":       {map[string]string{"merges.txt": "a b", "vocab.json": `{"a":0,"b":1,"ab":2}`}, `class "" of a tokenizer`},
		"bad merges":     {map[string]string{"merges.txt": "a b c", "vocab.json": `{}`}, "merges.txt: merge"},
		"no spm":         {map[string]string{"spiece.model": "\xff"}, "spiece.model: malformed protobuf"},
		"short vocab":    {map[string]string{"vocab.txt": "[UNK]\n[CLS]"}, `lacks "[SEP]"`},
		"no piece model": {map[string]string{"sentencepiece.bpe.model": "", "vocab.json": `{"<unk>":0,"</s>":1}`}, "no pieces in it"},
		"no languages":   {map[string]string{"sentencepiece.bpe.model": string(pieces), "tokenizer_config.json": `{"tokenizer_class":"NllbTokenizer"}`}, `gives "eng_Latn" no id`},
		"odd language":   {map[string]string{"sentencepiece.bpe.model": string(pieces), "tokenizer_config.json": `{"tokenizer_class":"NllbTokenizer","added_tokens_decoder":{"1048":{"content":"eng_Latn"}}}`}, `"eng_Latn" the id 1048, which would be 1001`},
		"odd end":        {map[string]string{"sentencepiece.bpe.model": string(pieces), "tokenizer_config.json": `{"tokenizer_class":"NllbTokenizer","eos_token":"<end>","added_tokens_decoder":{"1001":{"content":"eng_Latn"}}}`}, `gives "<end>" no id`},
		"odd added":      {map[string]string{"sentencepiece.bpe.model": string(pieces), "tokenizer_config.json": `{"tokenizer_class":"NllbTokenizer","added_tokens_decoder":{"x":{"content":"eng_Latn"}}}`}, `"x" has no number`},
		"other class":    {map[string]string{"sentencepiece.bpe.model": string(pieces), "tokenizer_config.json": `{"tokenizer_class":"BarthezTokenizer"}`}, `class "BarthezTokenizer" of a tokenizer`},
		"no pairs":       {map[string]string{"sentencepiece.bpe.model": string(spm), "tokenizer_config.json": `{"tokenizer_class":"NllbTokenizer"}`}, "no model of byte pair encoding"},
		"odd regex":      {map[string]string{"tokenizer.json": `{"model":{"type":"WordLevel","vocab":{}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{L"}}}`}, `"Split": regular expression`},
		"odd part":       {map[string]string{"tokenizer.json": `{"model":{"type":"WordLevel","vocab":{}},"decoder":{"type":"CTC"}}`}, `decoder "CTC": is not supported`},
		"odd merge":      {map[string]string{"tokenizer.json": `{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"]]}}`}, "merge 0"},
		"odd template":   {map[string]string{"tokenizer.json": `{"model":{"type":"WordLevel","vocab":{}},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}}`}, `"x" is not described`},
		"bad json":       {map[string]string{"tokenizer.json": `{`}, "tokenizer.json"},
	}
	for name, test := range tests {
		dir := t.TempDir()
		for file, content := range test.files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
		}
		_, err := Open(dir)
		assert.Error(t, err, "%s, want something with %q", name, test.want)
		assert.ErrorContains(t, err, test.want, "%s: got %v, want something with %q", name, err, test.want)
	}
}

func TestTextIsNeverTakenForASpecialToken(t *testing.T) {
	t.Parallel()
	tok := opened(t, testkit.Shared(t, "models", "translate-mini"))
	for _, text := range []string{"</s>", "<pad>", ">>fra<< hello </s> you", "<unk>"} {
		for _, id := range tok.EncodeText(text) {
			token := tok.engine.(*marian).tokens[id]
			assert.NotEqual(t, "</s>", token, "%q", text)
			assert.NotEqual(t, "<pad>", token, "%q", text)
			assert.False(t, strings.HasPrefix(token, ">>f"), "%q holds %q", text, token)
		}
	}
}

func pieceText(s *sentencePiece, pieces []string) string {
	text := &collected{}
	j := &joined{out: text, model: s}
	for _, p := range pieces {
		j.write(p, true)
	}
	j.end()
	return text.take()
}

func FuzzSentencePieceFile(f *testing.F) {
	spm, err := os.ReadFile(testkit.Shared(f, "models", "random", "marian-random", "source.spm"))
	require.NoError(f, err)
	// A small file, so that the fuzzer gets to change what matters.
	tiny := []byte("\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0a\n\x03\xe2\x96\x81\x15\x00\x00\x80\xbf\n\x08\n\x01a\x15\x00\x00\x80\xbf\x1a\x06\x18\x01\x20\x01\x28\x01")
	f.Add(tiny)
	f.Add(spm[:4096])
	f.Add(spm[len(spm)-4096:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := newSentencePiece(data)
		if err != nil {
			return
		}
		pieceText(s, s.encode("a b \xff cafe\u0301 \u65e5"))
	})
}

// Every cut and many flips of a real file are refused or usable, never a panic.
func TestCorruptFilesNeverPanic(t *testing.T) {
	t.Parallel()
	spm, err := os.ReadFile(testkit.Shared(t, "models", "random", "marian-random", "source.spm"))
	require.NoError(t, err)
	try := func(data []byte) {
		if s, err := newSentencePiece(data); err == nil {
			pieceText(s, s.encode("Hello, w\u00f6rld \uff21\uff22 \u2460 \u65e5\u672c\u8a9e"))
		}
	}
	for cut := 0; cut < len(spm); cut += len(spm)/60 + 1 {
		try(spm[:cut])
	}
	for at := 0; at < len(spm); at += len(spm)/120 + 1 {
		broken := append([]byte(nil), spm...)
		broken[at] ^= 0xff
		try(broken)
	}
}
