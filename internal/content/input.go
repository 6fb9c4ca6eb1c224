package content

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"parley/ent/gen/contentrequest"
	"parley/internal/apperr"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// RequestInput is a wish.
type RequestInput struct {
	Prompt         string
	Kind           contentrequest.Kind
	Options        *Options
	IdempotencyKey *string
}

// Options are how to make what is asked for.
type Options struct {
	Text  *TextOptions
	Image *ImageOptions
}

// TextOptions are how to write a text; nil is the model's own.
type TextOptions struct {
	MaxTokens   *int
	Temperature *float64
	Candidates  *int
	Seed        *int
}

// ImageOptions are how to draw a picture; nil is the model's own.
type ImageOptions struct {
	Width, Height, Steps *int
	Guidance             *float64
	NegativePrompt       *string
	Seed                 *int
}

func (in RequestInput) validate() error {
	if err := checkPrompt(in.Prompt, "input", "prompt"); err != nil {
		return err
	}
	crafts := craftsOf(in.Kind)
	if o := in.Options; o != nil {
		if o.Text != nil && crafts[0] != writing {
			return apperr.Input("options", "No text is asked for, so there are no options for one.")
		}
		if o.Image != nil && crafts[len(crafts)-1] != drawing {
			return apperr.Input("options", "No picture is asked for, so there are no options for one.")
		}
		if err := o.Text.validate(); err != nil {
			return err
		}
		if err := o.Image.validate(); err != nil {
			return err
		}
	}
	return idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey")
}

func checkPrompt(prompt string, path ...string) error {
	n := utf8.RuneCountInString(prompt)
	var e *apperr.Error
	switch {
	case !store.Storable(prompt):
		e = apperr.New(apperr.BadInput, "A prompt is UTF-8 without NUL characters.")
	case strings.TrimSpace(prompt) == "":
		e = apperr.New(apperr.BadInput, "A prompt has at least one word.")
	case n > MaxPrompt:
		e = apperr.New(apperr.BadInput, "A prompt has at most %d characters, this one has %d.", MaxPrompt, n)
	default:
		return nil
	}
	e.Path = path
	return e
}

// within refuses a number that is out of range; nil is none.
func within[T int | float64](field, name string, v *T, least, most T) error {
	if v == nil || *v >= least && *v <= most {
		return nil
	}
	e := apperr.Input("options", "%s is %v; it is from %v to %v.", name, *v, least, most)
	e.Path = append(e.Path, field, name)
	return e
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *TextOptions) validate() error {
	if o == nil {
		return nil
	}
	return firstError(
		within("text", "maxTokens", o.MaxTokens, 1, MaxTokens),
		within("text", "temperature", o.Temperature, 0, MaxTemperature),
		within("text", "candidates", o.Candidates, 1, MaxCandidates),
		within("text", "seed", o.Seed, 0, math.MaxInt32),
	)
}

func (o *ImageOptions) validate() error {
	if o == nil {
		return nil
	}
	if n := o.NegativePrompt; n != nil && (!store.Storable(*n) || utf8.RuneCountInString(*n) > MaxNegative) {
		e := apperr.Input("options", "A negative prompt has at most %d characters of UTF-8 without NUL characters.", MaxNegative)
		e.Path = append(e.Path, "image", "negativePrompt")
		return e
	}
	return firstError(
		within("image", "width", o.Width, MinSide, MaxSide),
		within("image", "height", o.Height, MinSide, MaxSide),
		within("image", "steps", o.Steps, 1, MaxSteps),
		within("image", "guidance", o.Guidance, 0, MaxGuidance),
		within("image", "seed", o.Seed, 0, math.MaxInt32),
	)
}

// settings are the options in the words of generation_config.json, nil for none.
func (o *TextOptions) settings() (json.RawMessage, error) {
	all := map[string]any{}
	if o != nil && o.MaxTokens != nil {
		all["max_new_tokens"] = *o.MaxTokens
	}
	if o != nil && o.Temperature != nil {
		all["do_sample"] = *o.Temperature > 0
		if *o.Temperature > 0 {
			all["temperature"] = *o.Temperature
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return json.Marshal(all)
}
