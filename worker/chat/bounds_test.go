package chat

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostileTemplatesEndWithAnError(t *testing.T) {
	t.Parallel()
	repeat := strings.Repeat
	tests := map[string]struct{ source, want string }{
		"too large":         {repeat("x", maxSource+1), "too large"},
		"parentheses":       {"{{ " + repeat("(", 3_000), "nested deeper"},
		"brackets":          {"{{ " + repeat("[", 3_000), "nested deeper"},
		"braces":            {"{{ " + repeat("{1:", 3_000), "nested deeper"},
		"signs":             {"{{ " + repeat("-", 3_000) + "1 }}", "nested deeper"},
		"not":               {"{{ " + repeat("not ", 3_000) + "1 }}", "nested deeper"},
		"else":              {"{{ " + repeat("1 if 0 else ", 3_000) + "1 }}", "nested deeper"},
		"subscripts":        {"{{ " + repeat("x[", 3_000), "nested deeper"},
		"calls":             {"{{ " + repeat("x(", 3_000), "nested deeper"},
		"filter arguments":  {"{{ " + repeat("x|y(", 3_000), "nested deeper"},
		"tags":              {repeat("{% if 1 %}", 3_000), "nested deeper"},
		"targets":           {"{% set " + repeat("(", 3_000), "nested deeper"},
		"sums":              {"{{ 1" + repeat("+1", 3_000) + " }}", "deeper than 400"},
		"attributes":        {"{{ x" + repeat(".a", 3_000) + " }}", "deeper than 400"},
		"filters":           {"{{ 1" + repeat("|abs", 3_000) + " }}", "deeper than 400"},
		"endless macro":     {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeper than 400"},
		"macro's default":   {"{% macro m(a=m()) %}{% endmacro %}{{ m() }}", "deeper than 400"},
		"loops":             {"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"},
		"loops in filters":  {"{% for a in range(9999) %}{% set x = range(99999)|sum %}{% endfor %}", "steps"},
		"output":            {"{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "writes more than"},
		"doubling":          {"{% set n = namespace(x='x') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "bytes of text and lists"},
		"doubled lists":     {"{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}", "bytes of text and lists"},
		"repeated":          {"{{ 'x' * 999999999999 }}", "bytes of text and lists"},
		"repeated list":     {"{{ [1] * 999999999999 }}", "bytes of text and lists"},
		"repeated tuple":    {"{{ (1,) * 999999999999 }}", "bytes of text and lists"},
		"replaced":          {"{{ ('x' * 99999).replace('x', 'y' * 99999) }}", "bytes of text and lists"},
		"joined":            {"{{ ('y' * 99999).join('x' * 9999) }}", "bytes of text and lists"},
		"centered":          {"{{ 'x'.center(999999999999) }}", "bytes of text and lists"},
		"filled":            {"{{ 'x'.zfill(999999999999) }}", "bytes of text and lists"},
		"indented":          {"{{ ('x\n' * 9999)|indent(99999) }}", "bytes of text and lists"},
		"wide indent":       {"{{ 'x'|indent(999999999999) }}", "bytes of text and lists"},
		"indented JSON":     {"{{ [1]|tojson(indent=999999999999) }}", "bytes of text and lists"},
		"batched":           {"{{ [1]|batch(999999999999, 1)|list }}", "bytes of text and lists"},
		"formatted":         {"{{ '%s%s' % ('x' * 99999999, 'x' * 99999999) }}", "bytes of text and lists"},
		"power":             {"{{ 9 ** 99999 }}", "digits"},
		"product":           {"{% set n = namespace(x=9) %}{% for a in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}", "digits"},
		"long number":       {"{{ " + repeat("9", 5000) + " }}", "digits"},
		"range":             {"{{ range(999999999) }}", "range too big"},
		"deep list":         {"{% set n = namespace(x=1) %}{% for a in range(999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}", "too deep"},
		"deep JSON":         {"{% set n = namespace(x=1) %}{% for a in range(999) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x|tojson }}", "too deep"},
		"deep equality":     {"{% set n = namespace(x=1, y=1) %}{% for a in range(999) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}", "too deep"},
		"deep order":        {"{% set n = namespace(x=1, y=2) %}{% for a in range(999) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x < n.y }}", "too deep"},
		"deep key":          {"{% set n = namespace(x=1) %}{% for a in range(999) %}{% set n.x = (n.x,) %}{% endfor %}{{ {n.x: 1} }}", "too deep"},
		"wide list":         {"{% set n = namespace(x=1) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}", "than"},
		"wide equality":     {"{% set n = namespace(x=1, y=1) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}", "steps"},
		"itself":            {"{% set n = namespace() %}{% set n.x = n %}{{ n }}", "too deep"},
		"endless generator": {"{% set n = namespace(x=[1]) %}{% for a in range(9999) %}{% set n.x = n.x|map('string') %}{% endfor %}{{ n.x|list }}", "deeper than 400"},
		"loop in itself":    {"{% for a in [1, 2] %}{% for b in loop %}{{ loop|length }}{% endfor %}{% endfor %}", ""},
	}
	for name, test := range tests {
		got, err := renderSource(test.source, nil)
		if test.want == "" {
			assert.NoError(t, err, "%s: %s", name, got)
			continue
		}
		assert.ErrorContains(t, err, test.want, name)
	}
}

func TestErrorsOfSyntaxSayWhere(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a\n{{ 1":                 "line 2: expected }}, got end of template",
		"{{ 1 +\n }}":             "line 2: unexpected }}",
		"\n{% if 1 %}\n":          "the template ends where endif was expected",
		"{% for %}":               "line 1: expected an expression, got %}",
		"{% for x of y %}":        "expected in, got of",
		"{% set %}":               "expected an expression, got %}",
		"{% set x = 1":            "expected %}, got end of template",
		"{% macro 1() %}":         "expected a name, got a number",
		"{{ 'abc }}":              "a string that does not end",
		"{{ ( ] }}":               `unexpected "]", expected ")"`,
		"{{ ) }}":                 `unexpected ")"`,
		"{{ a ? b }}":             `unexpected character "?"`,
		"{# x":                    "missing end of comment tag",
		"{% raw %}\n":             "missing end of raw directive",
		"{{ x is odd is even }}":  "you cannot chain multiple tests with is",
		"{{ f(a=1, a=2) }}":       "keyword argument repeated: a",
		"{{ f(**a, b) }}":         "invalid syntax for function call expression",
		"{{ 0[,0] }}":             "unexpected ,",
		"{{ 0[0,,0] }}":           "unexpected ,",
		"{{ 0[0:0:0:0] }}":        "a slice among several subscripts is not supported",
		"{% break %}":             "break outside of a loop",
		"{% set loop.x, 3 = 1 %}": "can't assign to that",
		"\xff{{ \xff }}":          "unexpected character",
	}
	for source, want := range tests {
		_, err := Parse(source)
		assert.ErrorContains(t, err, want, "%q", source)
	}
}

// FuzzRender looks for panics, endless loops and prompts that are no text.
func FuzzRender(f *testing.F) {
	for _, g := range readGolden(f, "expressions.jsonl") {
		f.Add(g.Template)
	}
	entries, err := os.ReadDir("testdata/templates")
	require.NoError(f, err)
	for _, entry := range entries {
		source, err := os.ReadFile("testdata/templates/" + entry.Name())
		require.NoError(f, err)
		f.Add(string(source))
	}
	variables := readVariables(f)
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := Parse(source)
		if err != nil {
			assert.ErrorContains(t, err, "chat template, line ")
			return
		}
		got, err := render(parsed.nodes, variableScope(variables), clock)
		if err == nil {
			assert.True(t, utf8.ValidString(got), "%q", got)
		}
	})
}

func BenchmarkRenderChatML(b *testing.B) {
	parsed := readTemplate(b, "chatml")
	in := readChats(b)["turns"].input()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parsed.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderToolCalls(b *testing.B) {
	parsed := readTemplate(b, "qwen3")
	in := readChats(b)["tool_calls"].input()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parsed.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	source, err := os.ReadFile("testdata/templates/qwen3.jinja")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(string(source)); err != nil {
			b.Fatal(err)
		}
	}
}
