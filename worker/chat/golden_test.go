package chat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// clock is when the golden files were made, by their own clock.
var clock = time.Date(2026, 3, 5, 7, 8, 9, 12345000, time.UTC)

// golden is what Python made of a template: its output, or what it raised.
type golden struct {
	Template, Chat string
	Output         string
	Raised         string
	Message        string
}

// readGolden reads a golden file, one JSON object a line.
func readGolden(t testing.TB, name string) []golden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	var cases []golden
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		require.NoError(t, json.Unmarshal(lines.Bytes(), &g))
		cases = append(cases, g)
	}
	require.NoError(t, lines.Err())
	return cases
}

// check compares an outcome with Python's.
func (g golden) check(t *testing.T, output string, err error) {
	t.Helper()
	if g.Raised == "" {
		if assert.NoError(t, err, "%s", g.Template) {
			assert.Equal(t, g.Output, output, "%s", g.Template)
		}
		return
	}
	if !assert.Error(t, err, "%s gave %q, Python raises %s %s", g.Template, output, g.Raised, g.Message) {
		return
	}
	var raised *Raised
	var failed *Error
	switch g.Raised {
	case "TemplateError":
		require.ErrorAs(t, err, &raised, "%s", g.Template)
		assert.Equal(t, g.Message, raised.Message)
	case "UndefinedError":
		require.ErrorAs(t, err, &failed, "%s", g.Template)
		assert.Equal(t, g.Message, failed.Message, "%s", g.Template)
	default:
		assert.False(t, errors.As(err, &raised), "%s", g.Template)
	}
}

func readVariables(t testing.TB) *dict {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "variables.json"))
	require.NoError(t, err)
	v, err := fromJSON(raw)
	require.NoError(t, err)
	return v.(*dict)
}

func variableScope(d *dict) *scope {
	s := &scope{}
	for i, key := range d.keys {
		s.set(key.(string), d.values[i])
	}
	return s.inner()
}

func TestExpressionsAndStatementsGiveWhatPythonGives(t *testing.T) {
	t.Parallel()
	cases := readGolden(t, "expressions.jsonl")
	require.Greater(t, len(cases), 1000)
	variables := readVariables(t)
	for _, g := range cases {
		parsed, err := Parse(g.Template)
		var output string
		if err == nil {
			output, err = render(parsed.nodes, variableScope(variables), clock)
		}
		g.check(t, output, err)
	}
}

// chatCase is an entry of chats.json.
type chatCase struct {
	Messages            []Message
	AddGenerationPrompt bool `json:"add_generation_prompt"`
	Tools               []json.RawMessage
	Extra               map[string]json.RawMessage
}

func (c chatCase) input() Input {
	in := Input{Messages: c.Messages, AddGenerationPrompt: c.AddGenerationPrompt, Tools: c.Tools, Now: clock, Extra: map[string]any{}}
	for name, raw := range c.Extra {
		in.Extra[name] = raw
	}
	return in
}

func readChats(t testing.TB) map[string]chatCase {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "chats.json"))
	require.NoError(t, err)
	var chats map[string]chatCase
	require.NoError(t, json.Unmarshal(raw, &chats))
	return chats
}

// goldenTokens are the special tokens of the tokenizer behind the golden files.
var goldenTokens = map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

func readTemplate(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "templates", name+".jinja"))
	require.NoError(t, err)
	parsed, err := Parse(string(source))
	require.NoError(t, err, name)
	parsed.tokens = goldenTokens
	return parsed
}

func TestPromptsAreThoseOfTransformers(t *testing.T) {
	t.Parallel()
	cases := readGolden(t, "prompts.jsonl")
	require.Greater(t, len(cases), 600)
	chats := readChats(t)
	templates := map[string]*Template{}
	for _, g := range cases {
		if templates[g.Template] == nil {
			templates[g.Template] = readTemplate(t, g.Template)
		}
		output, err := templates[g.Template].Render(chats[g.Chat].input())
		g.Template += " of " + g.Chat
		g.check(t, output, err)
	}
	assert.GreaterOrEqual(t, len(templates), 25)
}

func TestPromptsOfBundlesAreTheirReferences(t *testing.T) {
	t.Parallel()
	for _, bundle := range []string{"random/qwen2-random", "caption-mini"} {
		dir := testkit.Shared(t, "models", filepath.FromSlash(bundle))
		template, err := Open(dir)
		require.NoError(t, err)
		raw, err := os.ReadFile(filepath.Join(dir, "reference.json"))
		require.NoError(t, err)
		var reference struct {
			Chats []struct {
				Messages []Message
				Prompt   string
			}
		}
		require.NoError(t, json.Unmarshal(raw, &reference))
		require.NotEmpty(t, reference.Chats)
		for _, c := range reference.Chats {
			prompt, err := template.Render(Input{Messages: c.Messages, AddGenerationPrompt: true})
			require.NoError(t, err)
			assert.Equal(t, c.Prompt, prompt)
		}
	}
}
