package tokenizer

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// fuzzed are all tokenizers in a fixed order.
func fuzzed(f *testing.F) []*Tokenizer {
	f.Helper()
	all := everyTokenizer(f)
	for _, name := range families {
		all[name] = family(f, name)
	}
	var list []*Tokenizer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list
}

func FuzzEncode(f *testing.F) {
	all := fuzzed(f)
	for _, s := range []string{"", " ", ">>spa<< a", "\xff\xfe", "</s></s>", "\u2581\u2581", "a\x00b", ">>\n<<", "<pad> x", "e\u0301", "\u200d", "'\u017f", "\u0301\u0323"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, s string, limit uint8) {
		for _, tok := range all {
			ids := tok.Encode(s)
			tok.EncodeText(s)
			tok.Knows(s)
			within := tok.EncodeWithin(s, int(limit))
			assert.True(t, limit == 0 || len(within) <= int(limit))
			assert.Equal(t, tok.EncodePrompt(s), ids[len(tok.engine.around().before):len(ids)-len(tok.engine.around().after)])
			assert.True(t, utf8.ValidString(tok.Decode(ids)), "%q", tok.Decode(ids))
			assert.True(t, utf8.ValidString(tok.DecodeAll(ids)))
		}
	})
}

func FuzzStream(f *testing.F) {
	all := fuzzed(f)
	for _, ids := range [][]byte{{}, {0, 1, 0, 2, 3, 232}, {255, 255, 0, 0, 0, 220, 4, 5}} {
		f.Add(ids)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, tok := range all {
			var ids []int64
			for b := data; len(b) >= 2; b = b[2:] {
				ids = append(ids, int64(binary.BigEndian.Uint16(b))%int64(tok.Size()+8)-4)
			}
			assert.Equal(t, tok.Decode(ids), streamed(t, tok, ids), "%v", ids)
		}
	})
}

func FuzzTokenizerJSON(f *testing.F) {
	for _, s := range []string{
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<unk>":3},"merges":["a b"],"unk_token":"<unk>","byte_fallback":true},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"MergedWithNext","invert":true},{"type":"ByteLevel","add_prefix_space":true}]},"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":2}]}}`,
		`{"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2,"##":3},"max_input_chars_per_word":5},"normalizer":{"type":"BertNormalizer","clean_text":true,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true}}`,
		`{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["\u2581",-2]],"byte_fallback":true},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"},"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"a"}}],"special_tokens":{"a":{"ids":[1]}}},"decoder":{"type":"Metaspace"}}`,
		`{"model":{"type":"WordLevel","vocab":{"a":0,"<unk>":1}},"added_tokens":[{"content":"a b","lstrip":true,"rstrip":true,"single_word":true,"normalized":true,"special":true},{"content":"c"}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"String":"x"},"content":"yx"},{"type":"NFKC"},{"type":"Prepend","prepend":"a"},{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAABhAA=="}]},"pre_tokenizer":{"type":"Punctuation","behavior":"Contiguous"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}}`,
		`{"model":{"vocab":{},"merges":[]},"pre_tokenizer":{"type":"FixedLength","length":2},"truncation":{"max_length":-3},"padding":{"pad_id":-9}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseJSON(data)
		if err != nil {
			return
		}
		tok := &Tokenizer{languages: map[string]int64{}}
		if tok.setJSON(file, &config{}) != nil {
			return
		}
		tok.setNamed(&config{})
		for _, text := range []string{"", "ab a b", "x \xff.\u0301 \U0001f469 c<unk>"} {
			ids := tok.Encode(text)
			tok.EncodeWithin(text, 3)
			assert.Equal(t, tok.Decode(ids), streamed(t, tok, ids))
		}
	})
}
