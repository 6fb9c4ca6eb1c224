package embed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/tokenizer"
)

// maxText is the longest text, in bytes: a longer one would be cut by any model.
const maxText = 1 << 20

var errNothing = pipeline.NewError(jobspec.CodeInvalidInput, "There is nothing in the text that the model can read.")

// Texts turns texts into vectors with one bundle.
type Texts struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	sentence  sentence
	// length is the greatest number of tokens, pad what fills up.
	length int
	pad    int64
	kept   *pipeline.Kept[*textNetwork]
}

// OpenTexts reads a sentence embedder or the text tower of a bundle, and loads it unless
// that is to wait for its use. It works while Run runs. Errors are of type
// *pipeline.Error, but for that of ctx.
func OpenTexts(ctx context.Context, b *bundle.Bundle, o pipeline.Options) (*Texts, error) {
	o = o.WithDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	t := &Texts{bundle: b}
	if err := t.load(ctx, o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, t.Close()))
	}
	return t, nil
}

func (t *Texts) load(ctx context.Context, o pipeline.Options) (err error) {
	if t.tokenizer, err = tokenizer.Open(t.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	if t.bundle.Kind != bundle.KindCLIP {
		if t.sentence, err = readSentence(t.bundle); err != nil {
			return err
		}
	}
	t.length = shortest(t.sentence.length, t.tokenizer.MaxLength(), t.bundle.Config.TextPositions())
	if t.length == 0 {
		return fmt.Errorf("%w: nothing tells how long a text may be", bundle.ErrBroken)
	}
	t.pad = max(0, t.tokenizer.Pad())
	need, err := memoryOf(t.bundle, t.file())
	if err != nil {
		return err
	}
	t.kept = pipeline.Keep(o.Keeper, t.bundle.Name+" (texts)", need, func() (*textNetwork, error) { return t.open(o) })
	if o.OnUse {
		return nil
	}
	return t.kept.Load(ctx)
}

// file is the name of the graph.
func (t *Texts) file() string {
	if t.bundle.Kind == bundle.KindCLIP {
		return "text_model"
	}
	return "model"
}

// memoryOf estimates what a graph of a bundle takes.
func memoryOf(b *bundle.Bundle, name string) (int64, error) {
	path, err := b.Graph(name)
	if err != nil {
		return 0, err
	}
	return bundle.MemoryOf(path)
}

// shortest gives the least number above 0.
func shortest(numbers ...int) int {
	least := 0
	for _, n := range numbers {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// Embed gives the vector of each text, as the reference has it: divided by its length
// where the bundle says so. A text that is too long is cut. It may be called
// concurrently; texts of all calls run together. It fails with the error of ctx, or
// with a *pipeline.Error.
func (t *Texts) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	inputs := make([][]int64, len(texts))
	for i, text := range texts {
		var err error
		if inputs[i], err = t.Read(text); err != nil {
			return nil, err
		}
	}
	return t.EmbedRead(ctx, inputs)
}

// Read gives the tokens that the model reads of a text, one at least. Its error is a
// *pipeline.Error with CodeInvalidInput.
func (t *Texts) Read(text string) ([]int64, error) {
	switch {
	case len(text) > maxText:
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The text has %d bytes; at most %d can be read.", len(text), maxText)
	case !utf8.ValidString(text):
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The text is not valid UTF-8.")
	}
	ids := t.Encode(text)
	if len(ids) == 0 {
		return nil, errNothing
	}
	return ids, nil
}

// EmbedRead is Embed for texts that Read has read.
func (t *Texts) EmbedRead(ctx context.Context, inputs [][]int64) ([][]float32, error) {
	model, release, err := t.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return model.Do(ctx, inputs)
}

// Encode gives the tokens that the model reads of a text.
func (t *Texts) Encode(text string) []int64 {
	text = t.sentence.prompt + text
	if t.sentence.lower {
		text = strings.ToLower(text)
	}
	return t.tokenizer.EncodeWithin(text, t.length)
}

// Run works until ctx ends and then returns nil, after the model's run under way has
// stopped. Calls of Embed that still wait fail. It may be called once.
func (t *Texts) Run(ctx context.Context) error { return t.kept.Run(ctx) }

// Close releases the model. Run must have returned, or never have been called.
func (t *Texts) Close() error {
	if t.kept == nil {
		return nil
	}
	return t.kept.Close()
}
