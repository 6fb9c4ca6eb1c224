package translate

import (
	"strings"
	"unicode/utf8"
)

// Stand-ins are characters for private use (planes 15 and 16) that stand in a text for
// what no model shall read. Objects take a place in the sentence, as a word does; tags
// take none, and belong to the words behind (an opening one) or before them.
const (
	firstObject  = '\U000F0000'
	lastObject   = '\U000FFFFD'
	firstOpening = '\U00100000'
	firstClosing = '\U00108000'
	lastClosing  = '\U0010FFFD'
)

func isStandIn(r rune) bool { return r >= firstObject }

func isTag(r rune) bool { return r >= firstOpening }

func isClosing(r rune) bool { return r >= firstClosing }

// standIns remembers what stand-ins stand for.
type standIns struct {
	objects, openings, closings []string
	// escape writes the text around them; nil leaves it as it is.
	escape func(string) string
}

// escapeHTML writes text between tags.
func escapeHTML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\u00a0", "&nbsp;").Replace(text)
}

// object gives the stand-in for a value, which is put back as it is. A text of 64 KiB
// can't hold more than there are; beyond, the value stands for itself.
func (s *standIns) object(value string) string {
	return add(&s.objects, value, firstObject, lastObject)
}

func (s *standIns) opening(value string) string {
	return add(&s.openings, value, firstOpening, firstClosing-1)
}

func (s *standIns) closing(value string) string {
	return add(&s.closings, value, firstClosing, lastClosing)
}

func add(values *[]string, value string, first, last rune) string {
	r := first + rune(len(*values)) //nolint:gosec // far fewer than there are characters
	if r > last {
		return value
	}
	*values = append(*values, value)
	return string(r)
}

// written gives text as it is put out.
func (s *standIns) written(text string) string {
	if s.escape == nil {
		return text
	}
	return s.escape(text)
}

// show puts back what stand-ins stand for.
func (s *standIns) show(text string) string {
	var out strings.Builder
	plain := 0
	for i, r := range text {
		if !isStandIn(r) {
			continue
		}
		out.WriteString(s.written(text[plain:i]))
		plain = i + utf8.RuneLen(r)
		out.WriteString(s.value(r))
	}
	out.WriteString(s.written(text[plain:]))
	return out.String()
}

func (s *standIns) value(r rune) string {
	values, first := s.objects, firstObject
	switch {
	case isClosing(r):
		values, first = s.closings, firstClosing
	case isTag(r):
		values, first = s.openings, firstOpening
	}
	if at := int(r - first); at < len(values) {
		return values[at]
	}
	return string(r)
}

// hide puts stand-ins for the placeholders and addresses of a text, and for
// characters of its own that are stand-ins elsewhere.
func (s *standIns) hide(text string) string {
	var out strings.Builder
	at := 0
	for _, m := range placeholders(text) {
		out.WriteString(s.hideOwn(text[at:m.start]))
		at = m.end
		value := text[m.start:m.end]
		switch {
		case strings.HasPrefix(value, "</"):
			out.WriteString(s.closing(s.written(value)))
		case strings.HasPrefix(value, "<") && !strings.HasSuffix(value, "/>"):
			out.WriteString(s.opening(s.written(value)))
		default:
			out.WriteString(s.object(s.written(value)))
		}
	}
	out.WriteString(s.hideOwn(text[at:]))
	return out.String()
}

func (s *standIns) hideOwn(text string) string {
	if !strings.ContainsFunc(text, isStandIn) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if isStandIn(r) {
			out.WriteString(s.object(string(r)))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
