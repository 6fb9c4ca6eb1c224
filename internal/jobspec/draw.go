package jobspec

// KindDraw makes a picture of words.
const KindDraw = "draw"

// Draw is the payload of KindDraw. Zero values stand for the model's own.
type Draw struct {
	// Model is the name of the bundle that is to draw, "" for any.
	Model string `json:"model,omitempty"`
	// Digest is that which the model must have, "" for any.
	Digest string `json:"digest,omitempty"`
	// Prompt is what the picture shows, Negative what it shall not show.
	Prompt   string   `json:"prompt"`
	Negative string   `json:"negative,omitempty"`
	Steps    int      `json:"steps,omitempty"`
	Guidance *float64 `json:"guidance,omitempty"`
	// Width and Height are in pixels.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Seed chooses the noise: the same payload gives the same picture.
	Seed uint64 `json:"seed"`
}

// Drawn is the result of KindDraw.
type Drawn struct {
	// PNG is the picture as a file.
	PNG    []byte `json:"png"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	// Model is the name of the bundle that drew, Digest that of all files that its pictures
	// depend on, Runtime what ran it.
	Model   string `json:"model"`
	Digest  string `json:"digest,omitempty"`
	Runtime string `json:"runtime,omitempty"`
	// Prompt, Negative, Seed, Steps and Guidance are those that it was drawn with.
	Prompt   string  `json:"prompt"`
	Negative string  `json:"negative,omitempty"`
	Seed     uint64  `json:"seed"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
}
