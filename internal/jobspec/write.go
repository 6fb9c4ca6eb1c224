package jobspec

import "encoding/json"

// KindWrite continues a text or a chat.
const KindWrite = "write"

// Write is the payload of KindWrite: one of Prompt, Messages and Ask is set, at most 1 MiB
// of UTF-8.
type Write struct {
	// Model is the name of the bundle that is to write, "" for any.
	Model    string        `json:"model,omitempty"`
	Prompt   string        `json:"prompt,omitempty"`
	Messages []ChatMessage `json:"messages,omitempty"`
	// Ask is what a user wishes: a chat of one message where the model has a template for
	// chats, else the prompt itself.
	Ask string `json:"ask,omitempty"`
	// Digest is that which the model must have, "" for any.
	Digest string `json:"digest,omitempty"`
	// Rendered is a prompt as a template has made it, with special tokens: a result's Prompt,
	// to write it again. Ask is what candidates are compared with.
	Rendered string `json:"rendered,omitempty"`
	// Apart keeps equal work of others from joining this, which may be stopped.
	Apart string `json:"apart,omitempty"`
	// Candidates is how many texts are drawn at once, of which the one is given that keeps
	// most words of Ask; 0 for as many as the bundle's card says.
	Candidates int `json:"candidates,omitempty"`
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
	// Model is the name of the bundle that wrote, Digest that of all files that its texts
	// depend on, Runtime what ran it.
	Model   string `json:"model"`
	Digest  string `json:"digest,omitempty"`
	Runtime string `json:"runtime,omitempty"`
	// Seed is that of the work. Prompt is what the model read, Rendered whether a template
	// made that, Candidates of how many texts the best was taken, and Settings what they were
	// written with.
	Seed       uint64        `json:"seed"`
	Prompt     string        `json:"prompt,omitempty"`
	Rendered   bool          `json:"rendered,omitempty"`
	Candidates int           `json:"candidates,omitempty"`
	Settings   WriteSettings `json:"settings"`
}

// WriteSettings are the settings that a text was written with, in the words of
// generation_config.json.
type WriteSettings struct {
	MaxNewTokens      int     `json:"max_new_tokens"`
	DoSample          bool    `json:"do_sample"`
	Temperature       float64 `json:"temperature"`
	TopK              int     `json:"top_k"`
	TopP              float64 `json:"top_p"`
	RepetitionPenalty float64 `json:"repetition_penalty"`
}

// WrittenText is one text of a Written.
type WrittenText struct {
	Text string `json:"text"`
	// Tokens is how many the model wrote.
	Tokens int `json:"tokens"`
	// End is why it ended: "end" by the model, "stop" at a stop string, "length", or
	// EndStopped.
	End string `json:"end"`
}

// EndStopped is the end of a text whose owner wanted no more of it.
const EndStopped = "stopped"
