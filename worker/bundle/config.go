package bundle

import "encoding/json"

// Config is the part of config.json that a pipeline needs, by one name each: families
// write the same thing differently.
type Config struct {
	ModelType      string   `json:"model_type"`
	Architectures  []string `json:"architectures"`
	VocabSize      int      `json:"vocab_size"`
	DecoderVocab   int      `json:"decoder_vocab_size"`
	Width          int      `json:"d_model"`
	DecoderLayers  int      `json:"decoder_layers"`
	DecoderHeads   int      `json:"decoder_attention_heads"`
	Positions      int      `json:"max_position_embeddings"`
	EncoderDecoder bool     `json:"is_encoder_decoder"`
	// HeadDim is the width of a head where it is not Width through the heads.
	HeadDim        int `json:"head_dim"`
	KeyValueHeads  int `json:"num_key_value_heads"`
	AttentionHeads int `json:"num_attention_heads"`
	Text           struct {
		Positions int `json:"max_position_embeddings"`
		Tower
	} `json:"text_config"`
	// Vision is the picture tower of a model that has one.
	Vision Tower `json:"vision_config"`
	// Pad is the token that fills up, nil where the file does not say.
	Pad *int `json:"pad_token_id"`
	// Tasks are settings by the name of a task, such as "translation_en_to_de".
	Tasks map[string]Task `json:"task_specific_params"`
}

// Tower is the size of one half of a model for texts and pictures.
type Tower struct {
	Width int `json:"hidden_size"`
	Heads int `json:"num_attention_heads"`
	// Patch is the side of the square of pixels that is a token.
	Patch int `json:"patch_size"`
}

// Task is what config.json says of one task.
type Task struct {
	// Prefix stands in front of every input.
	Prefix string `json:"prefix"`
}

// UnmarshalJSON reads the names of all families.
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config
	other := struct {
		*plain
		Hidden    int `json:"hidden_size"`
		Embedding int `json:"n_embd"`
		Heads     int `json:"n_head"`
		T5Heads   int `json:"num_heads"`
		T5Dim     int `json:"d_kv"`
		Places    int `json:"n_positions"`
		Context   int `json:"n_ctx"`
	}{plain: (*plain)(c)}
	if err := json.Unmarshal(data, &other); err != nil {
		return err
	}
	c.Width = first(c.Width, other.Hidden, other.Embedding)
	c.AttentionHeads = first(c.AttentionHeads, other.Heads, other.T5Heads)
	c.DecoderHeads = first(c.DecoderHeads, c.AttentionHeads)
	c.HeadDim = first(c.HeadDim, other.T5Dim)
	if kindOf(c) != KindT5 {
		// T5's positions are relative: its n_positions bounds nothing.
		c.Positions = first(c.Positions, other.Places, other.Context)
	}
	return nil
}

// first gives the first number that is above 0, 0 without one.
func first(numbers ...int) int {
	for _, n := range numbers {
		if n > 0 {
			return n
		}
	}
	return 0
}

// TextPositions is how many tokens a text may have, 0 where nothing tells.
func (c *Config) TextPositions() int {
	if c.Text.Positions > 0 {
		return c.Text.Positions
	}
	return max(0, c.Positions-c.reserved())
}

// reserved is how many of the positions no token of a text stands at: RoBERTa and MPNet
// begin to count behind the number of the padding token.
func (c *Config) reserved() int {
	switch {
	case c.ModelType == "mpnet":
		return 2
	case c.ModelType != "roberta" && c.ModelType != "xlm-roberta":
		return 0
	case c.Pad != nil:
		return *c.Pad + 1
	}
	return 2
}

// KeyHeads is how many heads the keys of a causal model have, 0 where nothing tells.
func (c *Config) KeyHeads() int { return first(c.KeyValueHeads, c.AttentionHeads) }

// HeadWidth is how many numbers a head has, 0 where nothing tells.
func (c *Config) HeadWidth() int {
	if c.HeadDim > 0 || first(c.AttentionHeads, c.DecoderHeads) == 0 {
		return c.HeadDim
	}
	return c.Width / first(c.AttentionHeads, c.DecoderHeads)
}
