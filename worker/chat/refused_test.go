package chat

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// renderSource renders a template over no variables but those given.
func renderSource(source string, extra map[string]any) (string, error) {
	parsed, err := Parse(source)
	if err != nil {
		return "", err
	}
	return parsed.Render(Input{Messages: []Message{Text("user", "hi")}, Extra: extra, Now: clock})
}

func TestWhatIsNotSupportedIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"\n{% include 'x' %}":                          `line 2: the tag "include" is not supported`,
		"{% extends 'x' %}":                            `line 1: the tag "extends" is not supported`,
		"{% block a %}{% endblock %}":                  `the tag "block" is not supported`,
		"{% import 'x' as y %}":                        `the tag "import" is not supported`,
		"{% from 'x' import y %}":                      `the tag "from" is not supported`,
		"{% call m() %}{% endcall %}":                  `the tag "call" is not supported`,
		"{% autoescape true %}{% endautoescape %}":     `the tag "autoescape" is not supported`,
		"\n\n{% do x %}":                               `line 3: unknown tag "do"`,
		"{% for x in [1] recursive %}{% endfor %}":     "recursive loops are not supported",
		"{{ 1\n|\nnosuch }}":                           `line 3: no filter named "nosuch"`,
		"{{ 1|pprint }}":                               `the filter "pprint" is not supported`,
		"{{ [1]|map('xmlattr')|list }}":                `the filter "xmlattr" is not supported`,
		"{{ 1 is\nnosuch }}":                           `line 2: no test named "nosuch"`,
		"{{ 'join' is filter }}":                       `the test "filter" is not supported`,
		"{{ cycler(1) }}":                              `the function "cycler" is not supported`,
		"{{ joiner() }}":                               `the function "joiner" is not supported`,
		"{{ lipsum() }}":                               `the function "lipsum" is not supported`,
		"{{ 'a'.encode() }}":                           "str.encode is not supported",
		"{{ 'a'.swapcase() }}":                         "str.swapcase is not supported",
		"{{ (1).real }}":                               "int.real is not supported",
		"{{ 1.5.is_integer() }}":                       "float.is_integer is not supported",
		"{{ dict(a=1).fromkeys }}":                     "dict.fromkeys is not supported",
		"{{ ('a'|safe).join(['b']) }}":                 "Markup.join is not supported",
		"{{ '١٢'|int }}":                               "making an integer of '١٢' is not supported",
		"{{ '١٢'|float }}":                             "making a float of '١٢' is not supported",
		"{{ ('a'|safe) % 1 }}":                         "% of a Markup is not supported",
		"{{ '{:>5}'.format(1) }}":                      "the format field ':>5' is not supported",
		"{{ '%g' % 1 }}":                               "the format %g is not supported",
		"{{ strftime_now('%U') }}":                     "the directive %U is not supported",
		`{{ '\N{BULLET}' }}`:                           `the escape \N is not supported`,
		`{{ '\ud83d' }}`:                               `\ud83d is no character`,
		"{{ [1][0:1, 2] }}":                            "a slice among several subscripts is not supported",
		"{{ '½'.isdigit() }}":                          "is not supported",
		"{{ (-8) ** 0.5 }}":                            "complex numbers are not supported",
		"{{ 'x'|map('upper') }}":                       "printing a generator is not supported",
		"{{ range }}":                                  "printing a function is not supported",
		"{{ 'x'.upper }}":                              "printing a function is not supported",
		"{{ {'a': 1}.keys() == {'a': 1}.keys() }}":     "comparing dict_keys with dict_keys is not supported",
		"{% macro m() %}x{% endmacro %}\n{{ m(\n1) }}": "line 2: macro 'm' takes not more than 0 argument(s)",
		"{% set x = [] %}\n{% if true %}\n{{ x.append(1) }}{% endif %}": "line 3: access to attribute 'append' of 'list' object is unsafe.",
	}
	for source, want := range tests {
		_, err := renderSource(source, nil)
		var failed *Error
		if assert.ErrorAs(t, err, &failed, "%s", source) {
			assert.ErrorContains(t, err, want, "%s", source)
		}
	}
}

func TestRaiseExceptionIsTheTemplatesSentence(t *testing.T) {
	t.Parallel()
	_, err := renderSource("{% if true %}\n{{ raise_exception('Roles must ' ~ 'alternate') }}\n{% endif %}", nil)
	var raised *Raised
	require.ErrorAs(t, err, &raised)
	assert.Equal(t, Raised{Line: 2, Message: "Roles must alternate"}, *raised)
	assert.Equal(t, "chat template refuses, line 2: Roles must alternate", err.Error())
}

func TestTimeComesFromTheCaller(t *testing.T) {
	t.Parallel()
	parsed, err := Parse("{{ strftime_now('%d %b %Y %H:%M') }}")
	require.NoError(t, err)
	in := Input{Messages: []Message{Text("user", "hi")}}
	_, err = parsed.Render(in)
	assert.ErrorContains(t, err, "no time was given")
	in.Now = time.Date(2031, 12, 1, 23, 5, 0, 0, time.FixedZone("", 3600))
	got, err := parsed.Render(in)
	require.NoError(t, err)
	assert.Equal(t, "01 Dec 2031 23:05", got)
}

func TestInput(t *testing.T) {
	t.Parallel()
	const dump = "{{ messages }}{{ tools }}{{ x|default(none) }}{{ documents }}"
	user := Text("user", "a\xffb <&>\u2028")
	tests := []struct {
		name  string
		in    Input
		want  string
		error string
	}{
		{"no message", Input{}, "", "there is no message"},
		{"invalid UTF-8", Input{Messages: []Message{user}}, `[{'role': 'user', 'content': 'a` + "\ufffd" + `b <&>\u2028'}]NoneNoneNone`, ""},
		{"nulls go", Input{Messages: []Message{{Role: "user", Content: json.RawMessage("null"), Fields: json.RawMessage(`{"name": null, "k": [null]}`)}}}, `[{'role': 'user', 'k': [None]}]NoneNoneNone`, ""},
		{"no tools are a list", Input{Messages: []Message{{Role: "a"}}, Tools: []json.RawMessage{}}, `[{'role': 'a'}][]NoneNone`, ""},
		{"extra", Input{Messages: []Message{{Role: "a"}}, Extra: map[string]any{"x": map[string]any{"b": []any{1, 2.0, true, nil, "s"}, "a": []string{"q"}}, "documents": json.RawMessage("[]")}}, `[{'role': 'a'}]None{'a': ['q'], 'b': [1, 2.0, True, None, 's']}[]`, ""},
		{"message order", Input{Messages: []Message{{Role: "a", Content: json.RawMessage(`"c"`), Fields: json.RawMessage(`{"name": "n", "content": 1, "role": 2}`)}}}, `[{'name': 'n', 'content': 'c', 'role': 'a'}]NoneNoneNone`, ""},
		{"reasoning", Input{Messages: []Message{{Role: "a", Fields: json.RawMessage(`{"reasoning": "r"}`)}}}, `[{'thinking': 'r', 'role': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}]NoneNoneNone`, ""},
		{"bad content", Input{Messages: []Message{{Content: json.RawMessage("3")}}}, "", "message 0: content: a int is neither text, nor an array of parts, nor an object"},
		{"cut content", Input{Messages: []Message{{}, {Content: json.RawMessage(`"x`)}}}, "", "message 1: content"},
		{"two contents", Input{Messages: []Message{{Content: json.RawMessage(`"x" "y"`)}}}, "", "after top-level value"},
		{"bad fields", Input{Messages: []Message{{Fields: json.RawMessage("[]")}}}, "", "message 0: fields: a list is no object"},
		{"bad tool", Input{Messages: []Message{{}}, Tools: []json.RawMessage{json.RawMessage("1")}}, "", "tool 0: a int is no description"},
		{"bad extra", Input{Messages: []Message{{}}, Extra: map[string]any{"x": math.Sqrt}}, "", "variable x: a template can't be given a func"},
		{"deep", Input{Messages: []Message{{Content: json.RawMessage(strings.Repeat("[", 100_000))}}}, "", "too deep"},
		{"long number", Input{Messages: []Message{{Content: json.RawMessage("[" + strings.Repeat("9", 5000) + "]")}}}, "", "more than 4300 digits"},
	}
	parsed, err := Parse(dump)
	require.NoError(t, err)
	for _, test := range tests {
		got, err := parsed.Render(test.in)
		if test.error != "" {
			assert.ErrorContains(t, err, test.error, test.name)
			continue
		}
		require.NoError(t, err, test.name)
		assert.Equal(t, test.want, got, test.name)
	}
}

func TestTemplatesAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	chats := readChats(t)
	parsed := readTemplate(t, "qwen3")
	want, err := parsed.Render(chats["tool_calls"].input())
	require.NoError(t, err)
	done := make(chan string)
	for range 8 {
		go func() {
			got, _ := parsed.Render(chats["tool_calls"].input())
			done <- got
		}()
	}
	for range 8 {
		assert.Equal(t, want, <-done)
	}
}

func TestMessagesKeepTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	parsed, err := Parse("{{ messages[0] | tojson }}")
	require.NoError(t, err)
	for _, raw := range []string{
		`{"role": "user", "content": "a"}`,
		`{"content": "a", "role": "user"}`,
		`{"name": "n", "content": [{"type": "text", "text": "a"}], "tool_calls": [], "role": "user", "z": 1.0}`,
		`{"role": "tool", "content": {"b": 1, "a": 2}}`,
	} {
		var m Message
		require.NoError(t, json.Unmarshal([]byte(raw), &m))
		got, err := parsed.Render(Input{Messages: []Message{m}})
		require.NoError(t, err)
		assert.Equal(t, raw, got)
	}
}
