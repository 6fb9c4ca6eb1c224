// Package content makes texts and pictures of what users wish for: each is a job of its
// own, and there as soon as that has ended.
package content

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/ent/gen/contentrequest"
	"parley/internal/event"
	"parley/internal/jobspec"
)

// prefix begins the ids of requests.
const prefix = "req"

// Limits of a request.
const (
	// MaxPrompt and MaxNegative are in characters.
	MaxPrompt   = 2000
	MaxNegative = 2000

	MaxTokens      = 4096
	MaxTemperature = 2
	MaxCandidates  = 16
	MinSide        = 8
	MaxSide        = 2048
	MaxSteps       = 150
	MaxGuidance    = 30
)

// Kind is what a request asks for. What the schema is bound to names the type itself: the
// generator writes now one name and now the other for types with two.
type Kind = contentrequest.Kind

// The kinds.
const (
	Text      = contentrequest.KindTEXT
	Image     = contentrequest.KindIMAGE
	Instagram = contentrequest.KindINSTAGRAM
)

// State is how far a request is.
type State = contentrequest.State

// The states of a request.
const (
	Pending   = contentrequest.StatePENDING
	Ready     = contentrequest.StateREADY
	Partial   = contentrequest.StatePARTIAL
	Stopped   = contentrequest.StateSTOPPED
	Failed    = contentrequest.StateFAILED
	Cancelled = contentrequest.StateCANCELLED
)

// craft is how a part is made.
type craft struct {
	part contentpart.Kind
	// work is the kind of job.
	work string
	// install says what to install where no worker has a model.
	install string
}

var (
	writing = craft{contentpart.KindTEXT, jobspec.KindWrite,
		"No worker has a model that writes. Pull one with pullModel, or put a causal language model in the layout of Optimum into a worker's models folder."}
	drawing = craft{contentpart.KindIMAGE, jobspec.KindDraw,
		"No worker has a model that draws. Pull one with pullModel, or put a latent consistency model in the layout of diffusers, exported to ONNX, into a worker's models folder."}
)

// craftsOf gives how the parts of a kind are made, in their order.
func craftsOf(k Kind) []craft {
	switch k {
	case Text:
		return []craft{writing}
	case Image:
		return []craft{drawing}
	}
	return []craft{writing, drawing}
}

// stateOf follows from the states of parts.
func stateOf(parts []*gen.ContentPart) State {
	count := map[contentpart.State]int{}
	for _, p := range parts {
		count[p.State]++
	}
	there := count[contentpart.StateREADY] + count[contentpart.StateSTOPPED]
	switch {
	case count[contentpart.StatePENDING] > 0:
		return Pending
	case there == 0 && count[contentpart.StateFAILED] > 0:
		return Failed
	case there == 0:
		return Cancelled
	case count[contentpart.StateSTOPPED] > 0:
		return Stopped
	case there < len(parts):
		return Partial
	}
	return Ready
}

// there tells whether something can be seen of a part.
func there(p *gen.ContentPart) bool {
	return p.State == contentpart.StateREADY || p.State == contentpart.StateSTOPPED
}

// Recipe is all that makes a result again.
type Recipe struct {
	Model   string `json:"model"`
	Digest  string `json:"digest"`
	Runtime string `json:"runtime"`
	// Prompt is what the model read, Rendered whether its template made that.
	Prompt   string       `json:"prompt"`
	Rendered bool         `json:"rendered,omitempty"`
	Seed     int64        `json:"seed"`
	Text     *TextRecipe  `json:"text,omitempty"`
	Image    *ImageRecipe `json:"image,omitempty"`
}

// TextRecipe is how a text was written.
type TextRecipe struct {
	MaxTokens         int     `json:"maxTokens"`
	Temperature       float64 `json:"temperature"`
	TopK              int     `json:"topK"`
	TopP              float64 `json:"topP"`
	RepetitionPenalty float64 `json:"repetitionPenalty"`
	Candidates        int     `json:"candidates"`
}

// ImageRecipe is how a picture was drawn.
type ImageRecipe struct {
	Width          int     `json:"width"`
	Height         int     `json:"height"`
	Steps          int     `json:"steps"`
	Guidance       float64 `json:"guidance"`
	NegativePrompt *string `json:"negativePrompt,omitempty"`
}

// RecipeOf gives the recipe of a part, nil where it has none yet.
func RecipeOf(p *gen.ContentPart) (*Recipe, error) {
	if len(p.Recipe) == 0 || string(p.Recipe) == "null" {
		return nil, nil //nolint:nilnil // there is none
	}
	var r Recipe
	if err := json.Unmarshal(p.Recipe, &r); err != nil {
		return nil, fmt.Errorf("read the recipe of %s: %w", p.ID, err)
	}
	return &r, nil
}

// textRecipe is what a worker says of a text.
func textRecipe(w jobspec.Written) Recipe {
	t := &TextRecipe{
		MaxTokens: w.Settings.MaxNewTokens, TopK: w.Settings.TopK, TopP: w.Settings.TopP,
		RepetitionPenalty: w.Settings.RepetitionPenalty, Candidates: max(1, w.Candidates),
	}
	if w.Settings.DoSample {
		t.Temperature = w.Settings.Temperature
	}
	if len(w.Texts) > 0 && w.Texts[0].End == jobspec.EndStopped {
		t.MaxTokens = w.Texts[0].Tokens
	}
	return Recipe{
		Model: w.Model, Digest: w.Digest, Runtime: w.Runtime, Prompt: w.Prompt, Rendered: w.Rendered, Seed: int64(w.Seed), Text: t, //nolint:gosec // a seed of ours, see newSeed
	}
}

// imageRecipe is what a worker says of a picture.
func imageRecipe(d jobspec.Drawn) Recipe {
	i := &ImageRecipe{Width: d.Width, Height: d.Height, Steps: d.Steps, Guidance: d.Guidance}
	if d.Negative != "" {
		i.NegativePrompt = &d.Negative
	}
	return Recipe{Model: d.Model, Digest: d.Digest, Runtime: d.Runtime, Prompt: d.Prompt, Seed: int64(d.Seed), Image: i} //nolint:gosec // as above
}

// Written is a request with the cursor before the write.
type Written struct {
	Request *gen.ContentRequest
	Cursor  event.Cursor
}

// Action is what happened to a request.
type Action string

// The actions.
const (
	ActionCreated Action = "CREATED"
	ActionUpdated Action = "UPDATED"
	ActionDeleted Action = "DELETED"
)

// Changed is the event of a request's change as clients are shown it.
type Changed struct {
	Cursor    event.Cursor
	At        time.Time
	RequestID string
	Action    Action
	// Request is nil when it is gone.
	Request *gen.ContentRequest
}

var errNoText = errors.New("a worker's result holds no text")
