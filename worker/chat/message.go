package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Message is one message of a chat, a JSON object: the role, the content, and
// the other keys in their order.
type Message struct {
	Role string
	// Content is a JSON string, an array of parts, or an object, as tools may
	// answer. Without it, or with null, the message has no content at all.
	Content json.RawMessage
	// Fields are the other keys as a JSON object, such as name, tool_calls,
	// tool_call_id and reasoning_content. The role and the content come before
	// them; where Fields has these keys too, they only say the place of each.
	Fields json.RawMessage
}

// Text makes a message of plain text. Bytes that are no UTF-8 become U+FFFD.
func Text(role, content string) Message {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// A string can always be encoded.
	_ = e.Encode(content)
	return Message{Role: role, Content: json.RawMessage(strings.TrimSuffix(b.String(), "\n"))}
}

// UnmarshalJSON reads a message as clients send it, {"role": …, "content": …}.
func (m *Message) UnmarshalJSON(data []byte) error {
	var keys struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(data, &keys); err != nil {
		return err
	}
	*m = Message{Role: keys.Role, Content: keys.Content, Fields: bytes.Clone(data)}
	if fields, err := m.fields(); err == nil && fields.isPlain() {
		m.Fields = nil
	}
	return nil
}

// isPlain tells whether a message has a role, a content, and nothing else.
func (d *dict) isPlain() bool {
	return len(d.keys) == 2 && d.keys[0] == "role" && d.keys[1] == "content"
}

// reasoningFields are the names that a message's reasoning goes by.
var reasoningFields = []string{"reasoning_content", "thinking", "reasoning"}

// dict gives the message as transformers gives it to a template: without the
// keys whose value is null, and with its reasoning under the names that
// templates look for.
func (m Message) dict() (*dict, error) {
	d := &dict{}
	add := func(name string, v value) {
		if v != nil {
			d.put(textKey(name), name, v)
		}
	}
	content, err := m.content()
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	own := map[string]value{"role": nil, "content": content}
	if m.Role != "" {
		own["role"] = strings.ToValidUTF8(m.Role, "\uFFFD")
	}
	fields, err := m.fields()
	if err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	for _, name := range []string{"role", "content"} {
		if _, later := fields.named(name); !later {
			add(name, own[name])
		}
	}
	for i, key := range fields.keys {
		name, _ := textOf(key)
		if v, ok := own[name]; ok {
			add(name, v)
		} else {
			add(name, fields.values[i])
		}
	}
	return withReasoning(d), nil
}

// content gives the content as a template sees it, nil without one.
func (m Message) content() (value, error) {
	if len(m.Content) == 0 {
		return nil, nil
	}
	if m.Content[0] == '"' {
		var text string
		err := json.Unmarshal(m.Content, &text)
		return text, err
	}
	v, err := fromJSON(m.Content)
	if err != nil {
		return nil, err
	}
	switch v.(type) {
	case nil, *list, *dict:
		return v, nil
	}
	return nil, fmt.Errorf("a %s is neither text, nor an array of parts, nor an object", typeName(v))
}

func (m Message) fields() (*dict, error) {
	if len(m.Fields) == 0 {
		return &dict{}, nil
	}
	v, err := fromJSON(m.Fields)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("a %s is no object", typeName(v))
	}
	return d, nil
}

// withReasoning puts a message's reasoning under "thinking", before all other
// keys, and under "reasoning_content".
func withReasoning(d *dict) *dict {
	for _, name := range reasoningFields {
		reasoning, ok := d.named(name)
		if !ok {
			continue
		}
		aliased := &dict{}
		aliased.put(textKey("thinking"), "thinking", reasoning)
		for i, key := range d.keys {
			name, _ := textOf(key)
			aliased.put(textKey(name), key, d.values[i])
		}
		aliased.put(textKey("reasoning_content"), "reasoning_content", reasoning)
		return aliased
	}
	return d
}
