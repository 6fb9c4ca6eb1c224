package translate

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"parley/internal/jobspec"
	"parley/internal/testkit"
)

func page(text string) *source {
	return read(jobspec.Translate{Text: text, Format: jobspec.FormatHTML}, "en")
}

// sentences are what a model would be given of a page, as it reads it.
func sentences(text string) []string {
	var all []string
	for _, s := range page(text).segments {
		if rest, _ := latin.prepare(s.Text); s.Sentence && rest != "" {
			all = append(all, rest)
		}
	}
	return all
}

func TestOnlyTheTextOfAPageIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`<p>One &amp; two.</p><ul><li>Three<li>Four</ul>`:                                  {"One & two.", "Three", "Four"},
		`<p>A <b class="x">big</b> house. <i>It is</i> old.</p>`:                           {"A big house.", "It is old."},
		"<p>Wrapped\n   here</p>":                                                          {"Wrapped here"},
		"Before<br>after":                                                                  {"Before", "after"},
		`<script>var a = "text";</script><style>p { x: y }</style>Text`:                    {"Text"},
		"<pre>kept\n  as <b>is</b></pre>Text <code>x = 1</code> here":                      {"Text here"},
		`<p translate="no">Parley</p><p>The <span translate="no">Parley</span> server</p>`: {"The server"},
		"<p>Seen <!-- not seen --> again</p>":                                              {"Seen  again"},
		"<title>A title</title><textarea>no</textarea><svg><text>no</text></svg>":          {"A title"},
		"1 < 2 and a<b": {"1 < 2 and a"},
		"<code>open":    {"open"},
		"<script>open":  nil,
	} {
		assert.Equal(t, want, sentences(text), text)
	}
}

// A model that writes what it reads gives the page as it was.
func TestTagsOfAPageStay(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`<!DOCTYPE html><HTML lang=en><body  class='a'>Text</body></html>`,
		`<p>See <a href="/x?a=1&b=2" title='q"q'>this <b>page</b></a>, and <img src=x alt="a"> or <br/> {name}.</p>`,
		"<ul>\n  <li>One &amp; two</li>\n  <li>Three &lt;four&gt;</li>\n</ul>\n",
		"<p>A <code>x &amp;&amp; y</code> b</p><pre>a\n b</pre><!-- c --><script>if (a<b) {}</script>",
		"<p>Odd <b>one <i>two</b> three</i></p></div>", "<a href=\"never ends", "a</b> c</p>", "x&nbsp;y",
		`<x id="1"/>Go <g id="2">on</g>`, "\U000F0001 mine",
	} {
		assert.Equal(t, text, echo(page(text), same))
	}
	assert.Equal(t, "a &amp; b &lt; &gt; é \"'", echo(page("a & b < > &eacute; &quot;&#39;"), same), "entities are written anew")
	assert.Equal(t, "&amp;lt;b&amp;gt; {a&amp;b}", echo(page("&amp;lt;b&amp;gt; {a&amp;b}"), same))
}

func TestWrongPagesAreNoError(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"<", "<b>", "</b>", "<code>", "<p", "<!--", "&", "<a b=\"", "<b>x", "<script>", "%s <i>", "]]>", "\U00100001"} {
		text := strings.Repeat(unit, maxText/len(unit))
		got := echo(page(text), func(string) string { return "" })
		assert.GreaterOrEqual(t, len(got), strings.Count(text, "<")+strings.Count(text, "&"), unit)
		assert.Equal(t, markup(text), markup(echo(page(text), same)), unit)
	}
}

// markup is what is not text, token by token.
func markup(text string) []string {
	var all []string
	for _, t := range htmlTokens(text) {
		if t.kind != html.TextToken {
			all = append(all, t.raw)
		}
	}
	return all
}

// letters are those of the text of a page, in the order of their numbers.
func letters(text string) string {
	var all []rune
	for _, t := range htmlTokens(text) {
		all = append(all, []rune(strings.Join(strings.Fields(t.text), ""))...)
	}
	slices.Sort(all)
	return string(all)
}

func FuzzNothingOfAPageIsLost(f *testing.F) {
	for _, s := range []string{
		"<p>a <b>b</b> c.</p>", "<b><i>x</b></i>", "<", "<code>a<p>b</code>", "<a href='x", "&lt;&amp;{x}", "<script>a</scrip", "<p translate=no>a<p>b</p>",
		"<plaintext>a<b>", "<!-- a", "<textarea><b></textarea>", "\U000F0000<b>\U00100000</b>", "a\r\n <i>b", "<title>a<b>c</title>", "<math><mi>x</math>",
	} {
		f.Add(s)
	}
	latin := &carrier{knows: func(string) bool { return true }}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		if len(text) > maxText || strings.ContainsAny(text, "\x00") {
			return
		}
		s := page(text)
		for i, segment := range s.segments {
			if rest, out := latin.prepare(segment.Text); segment.Sentence && rest != "" {
				s.segments[i].Text = restore(rest, rest, out)
			}
		}
		got := echo(s, same)
		require.Equal(t, markup(text), markup(got), "%q became %q", text, got)
		require.Equal(t, letters(text), letters(got), "%q became %q", text, got)
	})
}

func TestPagesAreTranslated(t *testing.T) {
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	job := jobspec.Translate{
		Source: "en", Target: "es", Format: jobspec.FormatHTML,
		Text: `<h1>The house</h1><p>The house is <a href="https://example.org/?a=1&amp;b">small</a>. {name}, the garden is <b>large</b> &amp; green.</p><pre>The house</pre>`,
	}
	got, err := tr.Translate(t.Context(), job, nil)
	require.NoError(t, err)
	assert.Equal(t, markup(job.Text), markup(got.Text), got.Text)
	assert.Contains(t, got.Text, "{name}")
	assert.Contains(t, got.Text, "<pre>The house</pre>")
	assert.Contains(t, got.Text, "<h1>La casa</h1>")
	t.Log(got.Text)
}
