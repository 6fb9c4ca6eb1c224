package jobspec

// KindDraw makes a picture of words.
const KindDraw = "draw"

// Draw is the payload of KindDraw. Zero values stand for the model's own.
type Draw struct {
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
	// Model is the name of the bundle that drew.
	Model string `json:"model"`
}
