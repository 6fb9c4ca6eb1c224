package jobspec

// PromptQuery asks a model that writes or draws what it would read of a prompt. It is
// asked where QuerySubject says for the model's kind and digest.
type PromptQuery struct {
	Prompt string `json:"prompt"`
	// Draw is the picture that is wanted of the prompt: one that the model can't draw is
	// refused. Nil where only the prompt is asked about.
	Draw *Draw `json:"draw,omitempty"`
}

// PromptAnswer is what a model reads of a prompt.
type PromptAnswer struct {
	// Tokens is how many the prompt has, with what the model puts around it, and Most how
	// many it reads; 0 where nothing bounds them.
	Tokens int `json:"tokens"`
	Most   int `json:"most"`
	// Kept is how many bytes of the prompt it reads: what is behind them is cut off.
	Kept int `json:"kept"`
}
