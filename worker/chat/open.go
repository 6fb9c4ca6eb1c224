package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile is the greatest file that Open reads; a tokenizer's settings can list
// thousands of added tokens.
const maxFile = 32 << 20

// Open reads the chat template of a bundle's folder, with the special tokens
// that its tokenizer_config.json names. The template is chat_template.jinja,
// else in chat_template.json, else in tokenizer_config.json: there as text, or
// as a list of {"name", "template"} of which "default" counts, and "tool_use"
// for chats with tools. Where there is none the error is ErrNone.
func Open(dir string) (*Template, error) {
	t, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("chat template of %s: %w", dir, err)
	}
	return t, nil
}

func open(dir string) (*Template, error) {
	config, err := readConfig(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return nil, err
	}
	sources, err := readSources(dir, config)
	if err != nil {
		return nil, err
	}
	source, ok := sources["default"]
	if !ok {
		if len(sources) > 0 {
			return nil, errors.New(`there are several templates, and none is called "default"`)
		}
		return nil, ErrNone
	}
	t, err := Parse(source)
	if err != nil {
		return nil, err
	}
	if t.tokens, err = specialTokens(config); err != nil {
		return nil, err
	}
	if source, ok := sources["tool_use"]; ok {
		if t.withTools, err = Parse(source); err != nil {
			return nil, fmt.Errorf("tool_use: %w", err)
		}
		t.withTools.tokens = t.tokens
	}
	return t, nil
}

// readSources gives the templates of a folder by their names.
func readSources(dir string, config map[string]json.RawMessage) (map[string]string, error) {
	text, err := readFile(filepath.Join(dir, "chat_template.jinja"))
	if err == nil {
		return map[string]string{"default": string(text)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	separate, err := readConfig(filepath.Join(dir, "chat_template.json"))
	if err != nil {
		return nil, err
	}
	if raw, ok := separate["chat_template"]; ok {
		return namedSources(raw)
	}
	return namedSources(config["chat_template"])
}

// namedSources reads a template, or a list of named ones.
func namedSources(raw json.RawMessage) (map[string]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var source string
	if json.Unmarshal(raw, &source) == nil {
		return map[string]string{"default": source}, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("chat_template is neither text nor a list: %w", err)
	}
	sources := map[string]string{}
	for _, entry := range list {
		sources[entry.Name] = entry.Template
	}
	return sources, nil
}

// tokenNames are the special tokens that transformers gives to templates.
var tokenNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// specialTokens reads the special tokens of a tokenizer_config.json, each text
// or an object with a content.
func specialTokens(config map[string]json.RawMessage) (map[string]string, error) {
	tokens := map[string]string{}
	for _, name := range tokenNames {
		raw := config[name]
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			var object struct {
				Content *string `json:"content"`
			}
			if err := json.Unmarshal(raw, &object); err != nil || object.Content == nil {
				return nil, fmt.Errorf("tokenizer_config.json: %s is neither text nor an object with a content", name)
			}
			text = *object.Content
		}
		tokens[name] = text
	}
	return tokens, nil
}

// readConfig reads a JSON object; without the file it gives nil.
func readConfig(path string) (map[string]json.RawMessage, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return config, nil
}

// readFile reads a file of a bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), maxFile)
	}
	return data, err
}
