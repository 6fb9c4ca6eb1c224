package tokenizer

import "strings"

// visibleRunes writes each byte as a character that can be seen: GPT-2's
// bytes_to_unicode (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
var visibleRunes = func() (table [256]rune) {
	next := rune(256)
	for b := range table {
		switch r := rune(b); {
		case r >= '!' && r <= '~', r >= 0xa1 && r <= 0xac, r >= 0xae:
			table[b] = r
		default:
			table[b] = next
			next++
		}
	}
	return table
}()

// visibleBytes is the way back, -1 for characters that stand for no byte.
var visibleBytes = func() (table [324]int16) {
	for r := range table {
		table[r] = -1
	}
	for b, r := range visibleRunes {
		table[r] = int16(b)
	}
	return table
}()

// visible writes a text's bytes as characters that can be seen.
func visible(text string) string {
	var out strings.Builder
	out.Grow(len(text) + len(text)/4)
	for i := 0; i < len(text); i++ {
		out.WriteRune(visibleRunes[text[i]])
	}
	return out.String()
}

// appendVisible adds the bytes that a token's characters stand for, or the
// token's own bytes where one of its characters stands for none.
func appendVisible(bytes []byte, token string) []byte {
	start := len(bytes)
	for _, r := range token {
		if int(r) >= len(visibleBytes) || visibleBytes[r] < 0 {
			return append(bytes[:start], token...)
		}
		bytes = append(bytes, byte(visibleBytes[r]))
	}
	return bytes
}
