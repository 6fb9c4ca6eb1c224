// Package chat renders chat templates: the Jinja programs with which a causal
// language model's bundle says how messages become its prompt. The text is the
// one that Python's transformers 5 gives (apply_chat_template on jinja2's
// immutable sandbox with trim_blocks, lstrip_blocks and loop controls). What is
// not supported is an error that names it, never another text.
package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Template is a parsed chat template. It is safe for concurrent use.
type Template struct {
	nodes []node
	// withTools is the template for chats with tools, where a bundle has one.
	withTools *Template
	// tokens are the special tokens by their names in the bundle, bos_token say.
	tokens map[string]string
}

// Input is what a template makes a prompt of.
type Input struct {
	// Messages is the chat, oldest first; at least one.
	Messages []Message
	// AddGenerationPrompt asks for the head of the assistant's next message.
	AddGenerationPrompt bool
	// Tools are the tools' descriptions, each a JSON object; nil is none.
	Tools []json.RawMessage
	// Extra are further variables, such as enable_thinking or documents: nil,
	// bool, int, int64, float64, string, json.Number, json.RawMessage, []string,
	// []any and map[string]any. They win over the bundle's special tokens.
	Extra map[string]any
	// Now is the time that strftime_now writes, in its own zone. A template
	// that asks for it is an error while it is zero.
	Now time.Time
}

// Parse reads a template, of at most 1 MiB. Its error is an *Error.
func Parse(source string) (*Template, error) {
	if len(source) > maxSource {
		return nil, failAt(1, "a template of %d bytes is too large, the limit is %d", len(source), maxSource)
	}
	nodes, err := parse(strings.ToValidUTF8(source, "\uFFFD"))
	if err != nil {
		return nil, err
	}
	return &Template{nodes: nodes}, nil
}

// Render gives the prompt. An *Error says what the template does wrong, which
// bad input can be the cause of; a *Raised is the template's own refusal.
func (t *Template) Render(in Input) (string, error) {
	if len(in.Messages) == 0 {
		return "", fmt.Errorf("chat: there is no message")
	}
	if in.Tools != nil && t.withTools != nil {
		t = t.withTools
	}
	s, err := t.variables(in)
	if err != nil {
		return "", err
	}
	return render(t.nodes, s, in.Now)
}

func render(nodes []node, s *scope, now time.Time) (string, error) {
	r := &run{out: &strings.Builder{}, now: now}
	if _, err := execAll(r, s, nodes); err != nil {
		return "", at(1, err)
	}
	return r.out.String(), nil
}

// variables puts what the template is given into its outermost scope.
func (t *Template) variables(in Input) (*scope, error) {
	s := &scope{}
	for name, text := range t.tokens {
		s.set(name, text)
	}
	s.set("documents", nil)
	for name, v := range in.Extra {
		got, err := fromGo(v, 0)
		if err != nil {
			return nil, fmt.Errorf("chat: variable %s: %w", name, err)
		}
		s.set(name, got)
	}
	messages := &list{}
	for i, m := range in.Messages {
		d, err := m.dict()
		if err != nil {
			return nil, fmt.Errorf("chat: message %d: %w", i, err)
		}
		messages.items = append(messages.items, d)
	}
	s.set("messages", messages)
	s.set("tools", nil)
	if in.Tools != nil {
		tools := &list{}
		for i, raw := range in.Tools {
			v, err := fromJSON(raw)
			if _, ok := v.(*dict); err == nil && !ok {
				err = fmt.Errorf("a %s is no description", typeName(v))
			}
			if err != nil {
				return nil, fmt.Errorf("chat: tool %d: %w", i, err)
			}
			tools.items = append(tools.items, v)
		}
		s.set("tools", tools)
	}
	s.set("add_generation_prompt", in.AddGenerationPrompt)
	// A scope of its own keeps the given variables from what the template sets.
	return s.inner(), nil
}
