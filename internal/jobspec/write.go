package jobspec

import "encoding/json"

// KindWrite continues a text or a chat.
const KindWrite = "write"

// Write is the payload of KindWrite: one of Prompt and Messages is set, at most 1 MiB of
// UTF-8.
type Write struct {
	Prompt   string        `json:"prompt,omitempty"`
	Messages []ChatMessage `json:"messages,omitempty"`
	// Settings override the model's, in the words of generation_config.json.
	Settings json.RawMessage `json:"settings,omitempty"`
	// Seed chooses what is drawn: the same payload gives the same text.
	Seed uint64 `json:"seed"`
}

// ChatMessage is one message of a chat.
type ChatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Written is the result of KindWrite.
type Written struct {
	// Texts are what stands behind the prompt: one, or as many as the settings ask for,
	// the best first.
	Texts []WrittenText `json:"texts"`
	// Model is the name of the bundle that wrote.
	Model string `json:"model"`
}

// WrittenText is one text of a Written.
type WrittenText struct {
	Text string `json:"text"`
	// Tokens is how many the model wrote.
	Tokens int `json:"tokens"`
	// End is why it ended: "end" by the model, "stop" at a stop string, "length".
	End string `json:"end"`
}
