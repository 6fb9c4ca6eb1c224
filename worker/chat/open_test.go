package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestOpenFindsTheTemplate(t *testing.T) {
	t.Parallel()
	const config = `{"bos_token": "<s>", "eos_token": {"content": "</s>", "special": true}, "pad_token": null, "unk_token": "",
		"chat_template": "config {{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ unk_token is defined }}"}`
	const named = `{"chat_template": [{"name": "tool_use", "template": "tools {{ sep_token }}"}, {"name": "default", "template": "plain"}], "sep_token": "S"}`
	tests := map[string]struct {
		files map[string]string
		tools []json.RawMessage
		want  string
	}{
		"jinja first":      {map[string]string{"chat_template.jinja": "jinja {{ bos_token }}\n", "chat_template.json": `{"chat_template": "json"}`, "tokenizer_config.json": config}, nil, "jinja <s>"},
		"json second":      {map[string]string{"chat_template.json": `{"chat_template": "json {{ bos_token }}"}`, "tokenizer_config.json": config}, nil, "json <s>"},
		"config last":      {map[string]string{"tokenizer_config.json": config}, nil, "config <s></s>FalseTrue"},
		"jinja alone":      {map[string]string{"chat_template.jinja": "{{ bos_token is defined }}"}, nil, "False"},
		"list":             {map[string]string{"tokenizer_config.json": named}, nil, "plain"},
		"list, with tools": {map[string]string{"tokenizer_config.json": named}, []json.RawMessage{json.RawMessage("{}")}, "tools S"},
		"list, no tools":   {map[string]string{"tokenizer_config.json": named}, []json.RawMessage{}, "tools S"},
	}
	for name, test := range tests {
		template, err := Open(folder(t, test.files))
		require.NoError(t, err, name)
		got, err := template.Render(Input{Messages: []Message{Text("user", "hi")}, Tools: test.tools})
		require.NoError(t, err, name)
		assert.Equal(t, test.want, got, name)
	}
}

func TestExtraWinsOverSpecialTokens(t *testing.T) {
	t.Parallel()
	template, err := Open(folder(t, map[string]string{"chat_template.jinja": "{{ bos_token }}", "tokenizer_config.json": `{"bos_token": "a"}`}))
	require.NoError(t, err)
	got, err := template.Render(Input{Messages: []Message{Text("user", "hi")}, Extra: map[string]any{"bos_token": "b"}})
	require.NoError(t, err)
	assert.Equal(t, "b", got)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"bad config":    {map[string]string{"tokenizer_config.json": "{"}, "tokenizer_config.json"},
		"bad json":      {map[string]string{"chat_template.json": "[]"}, "chat_template.json"},
		"bad template":  {map[string]string{"chat_template.jinja": "a\n{{ }}"}, "line 2"},
		"no default":    {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "rag", "template": "x"}]}`}, `none is called "default"`},
		"bad tool_use":  {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "{{"}]}`}, "tool_use"},
		"no text":       {map[string]string{"tokenizer_config.json": `{"chat_template": 3}`}, "neither text nor a list"},
		"strange token": {map[string]string{"tokenizer_config.json": `{"chat_template": "x", "bos_token": {"id": 3}}`}, "bos_token is neither"},
	}
	for name, test := range tests {
		_, err := Open(folder(t, test.files))
		assert.ErrorContains(t, err, test.want, name)
		assert.NotErrorIs(t, err, ErrNone, name)
	}
	for _, files := range []map[string]string{nil, {"tokenizer_config.json": `{"chat_template": null}`}, {"tokenizer_config.json": "{}"}} {
		_, err := Open(folder(t, files))
		assert.ErrorIs(t, err, ErrNone)
	}
}

func TestOpenBoundsWhatItReads(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"chat_template.jinja": ""})
	require.NoError(t, os.Truncate(filepath.Join(dir, "chat_template.jinja"), maxFile+1))
	_, err := Open(dir)
	assert.ErrorContains(t, err, "chat_template.jinja is larger than")
}
