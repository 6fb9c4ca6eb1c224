package translate

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"

	"parley/worker/pipeline/document"
)

// names makes a set of elements.
func names(all string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(all) {
		set[name] = true
	}
	return set
}

var (
	// breaking are the elements that no sentence goes across; whatever else there is
	// stands within sentences.
	breaking = names(`address article aside audio base blockquote body br button canvas caption center col colgroup dd details
		dialog dir div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html
		iframe legend li link main math menu meta nav noembed noframes noscript object ol optgroup option p plaintext pre
		script search section select source style summary svg table tbody td template textarea tfoot th thead title tr track
		ul video xmp`)
	// opaque are those whose text is not translated, raw those among them whose
	// content is text whatever it looks like.
	opaque = names(`code iframe kbd listing math noembed noframes noscript plaintext pre samp script style svg textarea tt var xmp`)
	raw    = names(`iframe noembed noframes noscript plaintext script style textarea xmp`)
	// alone are those that never have an end tag.
	alone = names(`area base br col embed hr img input link meta param source track wbr`)
)

// readHTML cuts HTML in a language into segments. Tags, comments and what is not to be
// translated are hidden as they are, and show escapes the text between them. What is
// written wrongly is text or stays as it is; nothing is an error.
func readHTML(text, language string) *source {
	d := &htmlReader{tokens: htmlTokens(text), language: language}
	d.standIns.escape = escapeHTML
	ends := matches(d.tokens)
	for i := 0; i < len(d.tokens); i++ {
		t := d.tokens[i]
		end := ends[i]
		switch {
		case t.kind == html.TextToken:
			d.passage.WriteString(d.hide(t.text))
		case end > i && (opaque[t.name] || t.untranslated):
			d.verbatim(d.raw(i, end), breaking[t.name])
			i = end
		case raw[t.name] && t.kind == html.StartTagToken && i+1 < len(d.tokens) && d.tokens[i+1].kind == html.TextToken:
			d.verbatim(d.raw(i, i+1), true)
			i++
		case t.kind == html.CommentToken || t.name == "wbr":
			d.passage.WriteString(d.opening(t.raw))
		case breaking[t.name] || t.kind == html.DoctypeToken || t.name == "":
			d.verbatim(t.raw, true)
		case alone[t.name] || t.kind == html.SelfClosingTagToken:
			d.verbatim(t.raw, false)
		case t.kind == html.EndTagToken:
			d.passage.WriteString(d.closing(t.raw))
		default:
			d.passage.WriteString(d.opening(t.raw))
		}
	}
	d.flush()
	return &d.source
}

// htmlReader is HTML on its way to segments.
type htmlReader struct {
	source
	tokens   []htmlToken
	language string
	// passage is the text since the last break.
	passage strings.Builder
}

func (d *htmlReader) raw(from, to int) string {
	var out strings.Builder
	for _, t := range d.tokens[from : to+1] {
		out.WriteString(t.raw)
	}
	return out.String()
}

// verbatim keeps markup as it is, between passages or within one.
func (d *htmlReader) verbatim(markup string, breaks bool) {
	if !breaks {
		d.passage.WriteString(d.object(markup))
		return
	}
	d.flush()
	d.segments = append(d.segments, document.Segment{Text: d.object(markup)})
}

// flush ends a passage. Its line breaks are spaces, as HTML has it.
func (d *htmlReader) flush() {
	text := d.passage.String()
	d.passage.Reset()
	body := strings.TrimSpace(text)
	start := strings.Index(text, body)
	if start > 0 {
		d.segments = append(d.segments, document.Segment{Text: text[:start]})
	}
	if body != "" {
		d.segments = append(d.segments, document.Split(unwrapped(body), d.language)...)
	}
	if rest := text[start+len(body):]; rest != "" {
		d.segments = append(d.segments, document.Segment{Text: rest})
	}
}

// unwrapped makes the line breaks of a passage, with the space around them, spaces.
func unwrapped(text string) string {
	if !strings.ContainsAny(text, "\r\n\f") {
		return text
	}
	var out strings.Builder
	for text != "" {
		at := strings.IndexFunc(text, htmlSpace)
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		rest := strings.TrimLeftFunc(text[at:], htmlSpace)
		if space := text[at : len(text)-len(rest)]; strings.ContainsAny(space, "\r\n\f") {
			out.WriteByte(' ')
		} else {
			out.WriteString(space)
		}
		text = rest
	}
	out.WriteString(text)
	return out.String()
}

func htmlSpace(r rune) bool { return r < 0x80 && unicode.IsSpace(r) }

// htmlToken is a token with the bytes that it was read from.
type htmlToken struct {
	kind         html.TokenType
	raw          string
	name         string // of a tag, in small letters
	text         string // of a text, without entities
	untranslated bool
}

// htmlTokens reads all of text; what the tokenizer leaves, a tag that never ends, is
// the last token.
func htmlTokens(text string) []htmlToken {
	z := html.NewTokenizer(strings.NewReader(text))
	var tokens []htmlToken
	read := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		t := htmlToken{kind: kind, raw: string(z.Raw())}
		read += len(t.raw)
		switch kind {
		case html.TextToken:
			t.text = string(z.Text())
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			token := z.Token()
			t.name = token.Data
			for _, a := range token.Attr {
				if a.Key == "translate" {
					t.untranslated = strings.EqualFold(a.Val, "no")
				}
			}
		}
		tokens = append(tokens, t)
	}
	if read < len(text) {
		tokens = append(tokens, htmlToken{kind: html.ErrorToken, raw: text[read:]})
	}
	return tokens
}

// matches gives for each start tag the place of its end tag, or 0: the nearest one of
// the same name that no other start tag has taken.
func matches(tokens []htmlToken) []int {
	ends := make([]int, len(tokens))
	open := map[string][]int{}
	for i, t := range tokens {
		switch stack := open[t.name]; {
		case t.kind == html.StartTagToken && !alone[t.name]:
			open[t.name] = append(stack, i)
		case t.kind == html.EndTagToken && len(stack) > 0:
			ends[stack[len(stack)-1]] = i
			open[t.name] = stack[:len(stack)-1]
		}
	}
	return ends
}
