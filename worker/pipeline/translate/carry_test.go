package translate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/worker/pipeline/document"
)

// latin is a carrier of a vocabulary without anything but Latin letters.
var latin = &carrier{knows: func(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x250 && r != '\u2014' })
}}

// echo goes the whole way with a model that writes what it reads.
func echo(s *source, translation func(string) string) string {
	for i, segment := range s.segments {
		if rest, out := latin.prepare(segment.Text); segment.Sentence && rest != "" {
			s.segments[i].Text = restore(translation(rest), rest, out)
		}
	}
	return s.show(document.Join(s.segments))
}

func same(text string) string { return text }

// What is taken out of any sentence comes back, whatever the model makes of the rest.
func FuzzNothingIsLost(f *testing.F) {
	for _, s := range []string{
		"a. B\r\n\n - c", "1. x\n\t> y 👍🏽!", "\u00a0x\u2003", "```\na", "Привет мир. Hi 日本, a@b.c", "  \r \n", "\x00. A",
		"Hi {name}, see https://a.b/c?d=e. %s <x id=\"1\"/> of %1$d: \U000F0000 <b>bold</b> {{x}}${y}", "<b>{a} <i></b></i>%%%s",
		"При<b>вет {x} мир</b>. Да", "a </b> b <i> c", ":a: b :c:d:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		for name, translation := range map[string]func(string) string{
			"same": same, "nothing": func(string) string { return "" }, "other": func(string) string { return "Uno dos, tres." },
		} {
			s := read(jobspec.Translate{Text: text}, "en")
			var want, got []string
			for _, segment := range s.segments {
				rest, out := latin.prepare(segment.Text)
				if !segment.Sentence || rest == "" {
					continue
				}
				whole := restore(translation(rest), rest, out)
				for _, o := range out {
					require.Contains(t, whole, o.text, "%s: %q lost %q: %q", name, segment.Text, o.text, whole)
				}
			}
			want = hiddenIn(document.Join(s.segments))
			values := echo(s, translation)
			got = hiddenIn(document.Join(s.segments))
			require.Equal(t, want, got, "%s: each once, in their order: %q", name, text)
			for _, m := range placeholders(text) {
				require.Contains(t, values, text[m.start:m.end], "%s of %q", name, text)
			}
		}
	})
}

// hiddenIn gives the stand-ins of a text.
func hiddenIn(text string) []string {
	var found []string
	for _, r := range text {
		if isStandIn(r) {
			found = append(found, string(r))
		}
	}
	return found
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"See https://a.b/c?d=e, or (www.x.org).":                      {"https://a.b/c?d=e", "www.x.org"},
		"Mail a.b+c@d-e.org.":                                         {"a.b+c@d-e.org"},
		"Hi {name}, {0} {} {a.b} { x }!":                              {"{name}", "{0}", "{}", "{a.b}", "{ x }"},
		"{{ user.name | upper }} and {{x}}":                           {"{{ user.name | upper }}", "{{x}}"},
		"%s %1$d %.2f %-5d%% %@ %(n)s %{n} %name%":                    {"%s", "%1$d", "%.2f", "%-5d", "%%", "%@", "%(n)s", "%{n}", "%name%"},
		"${x} and #{y}":                                               {"${x}", "#{y}"},
		"A :smile: and :+1: at 12:30:45, a:b:c":                       {":smile:"},
		`<x id="1"/> <g id='2'>a</g> 1 < 2`:                           {`<x id="1"/>`, `<g id='2'>`, "</g>"},
		"100 % sure, 50% discount, a < b > c {not a name, but words}": nil,
		"<b and c>": nil,
	} {
		var got []string
		for _, m := range placeholders(text) {
			got = append(got, text[m.start:m.end])
		}
		require.Equal(t, want, got, text)
	}
}

// A model that writes what it reads gives the text as it was.
func TestWhatIsTakenOutComesBackWhereItWas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Hello {name}, you have %d new messages.", "{name}: %s", "See https://example.org/a?b=c&d=e.", "Write to a@b.org or c@d.org today!",
		"The <b>big</b> house", "<b>All of it.</b>", "<b>One. Two.</b> Three.", "A <a href=\"https://x.org\">link</a>, and <i>more</i>.",
		"Hi <b>{name}</b>, how are you?", "Hi {name} <b>old friend</b>", "{name} <b>{other}</b> and {third}",
		"{a}<b>{b}</b>", "<b></b>word", "Press <x id=\"1\"/> to go on.", "\U000F0000 and \U00100005 are mine.",
	} {
		require.Equal(t, text, echo(read(jobspec.Translate{Text: text}, "en"), same))
	}
}

func TestWhatAnApostropheJoinedStandsApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, translation, want string }{
		{"Prenez l'{a}.", "Take your card.", "Take your card {a}."},
		{"Prenez l'{a}", "Prenez l'", "Prenez l'{a}"},
	} {
		require.Equal(t, test.want, echo(read(jobspec.Translate{Text: test.text}, "fr"), func(string) string { return test.translation }))
	}
}

func TestTagsStandAtTheirShareOfTheWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, translation, want string }{
		{"The <b>big</b> house.", "La gran casa.", "La <b>gran</b> casa."},
		{"The house is <b>big</b>.", "La casa es grande.", "La casa es <b>grande</b>."},
		{"a b c d <b>e</b>.", "Eins.", "<b>Eins</b>."},
		{"Un<b>believ</b>able", "Increíble", "<b>Increíble</b>"},
		{"a <b>b c</b> d", "", "<b></b>"},
		{"<i>a <b>b</b></i> c", "x", "<i><b>x</b></i>"},
	} {
		got := echo(read(jobspec.Translate{Text: test.text}, "en"), func(string) string { return test.translation })
		require.Equal(t, test.want, got, test.text)
	}
}
