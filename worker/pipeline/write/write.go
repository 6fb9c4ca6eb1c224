package write

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/pipeline"
)

// maxPrompt is the longest prompt, in bytes.
const maxPrompt = 1 << 20

// Job is a text to write: one of Prompt, Ask and Messages is set.
type Job struct {
	Prompt string
	// Ask is what a user wishes: a chat of one message where the bundle has a template for
	// chats, else the prompt itself.
	Ask string
	// Rendered is a prompt as a template has made it, in place of all others.
	Rendered string
	// Messages are a chat, of which the model writes the next message.
	Messages []chat.Message
	// Now is the time for templates that tell it.
	Now time.Time
	// Settings override the bundle's, in the words of generation_config.json; nil for
	// none.
	Settings json.RawMessage
	// Seed chooses what is drawn.
	Seed uint64
	// Recorded are the tokens that an earlier attempt wrote. The text goes on behind
	// them. It is for a single text without beams.
	Recorded []int64
	// Stopped, which may be nil, is closed once the text is to end where it is.
	Stopped <-chan struct{}
}

func (j *Job) stopped() bool {
	select {
	case <-j.Stopped:
		return true
	default:
		return false
	}
}

// Written is a text that was written.
type Written struct {
	// Text stands behind the prompt; special tokens are left out.
	Text string
	// Tokens are what was written, the end token included.
	Tokens []int64
	End    End
}

// End is why a text ended.
type End string

// The ends: the model's own, a stop string, the greatest length, or because of Job.Stopped.
const (
	EndModel   End = "end"
	EndStop    End = "stop"
	EndLength  End = "length"
	EndStopped End = jobspec.EndStopped
)

// Write writes the text of a job, several where its settings ask for more sequences.
// progress, which may be nil, is called on this goroutine with the whole text so far
// and its tokens, for a single text without beams. It may be called concurrently; texts
// of all calls are written together. It fails with the error of ctx, or with a
// *pipeline.Error.
func (w *Writer) Write(ctx context.Context, job Job, progress func(text string, tokens []int64)) ([]Written, error) {
	settings, err := w.Settings(job.Settings)
	if err != nil {
		return nil, err
	}
	if len(job.Recorded) > 0 && settings.NumReturnSequences > 1 {
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "Only a single text can go on behind what was recorded, not %d.", settings.NumReturnSequences)
	}
	input, err := w.Tokens(job)
	if err != nil {
		return nil, err
	}
	c := w.compose(job, settings, input, progress)
	model, release, err := w.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := model.Generate(ctx, c.requests, false); err != nil {
		return nil, err
	}
	return c.written, nil
}

// Settings gives the bundle's settings, as those of a job override them. It fails with a
// *pipeline.Error.
func (w *Writer) Settings(override json.RawMessage) (bundle.Generation, error) {
	settings, err := w.bundle.Generation.With(override)
	if err != nil {
		return settings, pipeline.NewError(jobspec.CodeInvalidInput, "The settings can't be used: %v.", err)
	}
	return settings, nil
}

// Tokens gives the tokens that the model reads of a job.
func (w *Writer) Tokens(job Job) ([]int64, error) {
	prompt, rendered, err := w.Read(job)
	if err != nil {
		return nil, err
	}
	if rendered {
		return w.tokenizer.EncodePrompt(prompt), nil
	}
	return w.tokenizer.Encode(prompt), nil
}

// Read gives the text that the model reads of a job, and whether a template made it, with
// the special tokens in it. It fails with a *pipeline.Error.
func (w *Writer) Read(job Job) (prompt string, rendered bool, err error) {
	if job.Rendered != "" {
		return job.Rendered, true, checkPrompt(job.Rendered)
	}
	messages := job.Messages
	if messages == nil && job.Ask != "" && w.template != nil {
		messages = []chat.Message{chat.Text("user", job.Ask)}
	}
	if messages != nil {
		prompt, err = w.Prompt(messages, job.Now)
		return prompt, true, err
	}
	prompt = cmp.Or(job.Prompt, job.Ask)
	return prompt, false, checkPrompt(prompt)
}

// Positions is how many tokens prompt and text may have together, 0 where nothing tells.
func (w *Writer) Positions() int { return w.bundle.Config.Positions }

// origin is what outputs begin with.
func (w *Writer) origin(settings bundle.Generation, input []int64) []int64 {
	if w.answers() {
		return []int64{settings.DecoderStart}
	}
	return input
}

// Longest is how many tokens the text of a job has at most.
func (w *Writer) Longest(settings bundle.Generation, input []int64) int {
	origin := len(w.origin(settings, input))
	return settings.Limit(origin, w.Positions()) - origin
}

// Prompt is what the bundle's template makes of a chat. It fails with a
// *pipeline.Error, where the template refuses the chat with its words.
func (w *Writer) Prompt(messages []chat.Message, now time.Time) (string, error) {
	if w.template == nil {
		return "", pipeline.NewError(jobspec.CodeInvalidInput, "The model %s holds no chats.", w.bundle.Name)
	}
	prompt, err := w.template.Render(chat.Input{Messages: messages, AddGenerationPrompt: true, Now: now})
	if err != nil {
		return "", pipeline.NewError(jobspec.CodeInvalidInput, "The model's template refuses the chat: %v.", err)
	}
	return prompt, checkPrompt(prompt)
}

func checkPrompt(prompt string) error {
	switch {
	case len(prompt) > maxPrompt:
		return pipeline.NewError(jobspec.CodeInvalidInput, "The prompt has %d bytes; at most %d can be read.", len(prompt), maxPrompt)
	case !utf8.ValidString(prompt):
		return pipeline.NewError(jobspec.CodeInvalidInput, "The prompt is not valid UTF-8.")
	}
	return nil
}

// composition is the texts of one job under way.
type composition struct {
	writer   *Writer
	settings bundle.Generation
	// stops tells whether an output ends with a stop string, nil for none; stopped that it
	// is to end where it is.
	stops    func([]int64) bool
	stopped  func() bool
	origin   []int64
	requests []*pipeline.Request
	written  []Written
}

func (w *Writer) compose(job Job, settings bundle.Generation, input []int64, progress func(string, []int64)) *composition {
	c := &composition{writer: w, settings: settings, origin: w.origin(settings, input), stops: w.stopper(settings.StopStrings), stopped: job.stopped}
	request := pipeline.Request{
		Input: input, Settings: settings, Seed: job.Seed, Recorded: job.Recorded, Stop: c.stop(job),
		Done: func(outputs []pipeline.Output) {
			for _, output := range outputs {
				c.written = append(c.written, c.finish(output.Tokens))
			}
		},
	}
	if progress != nil && settings.NumReturnSequences == 1 {
		request.Wrote = c.streaming(job.Recorded, progress)
	}
	c.requests = []*pipeline.Request{&request}
	if settings.DoSample {
		c.written = make([]Written, settings.NumReturnSequences)
		c.requests = nil
		for i := range c.written {
			one := request
			one.Sequence = i
			one.Done = func(outputs []pipeline.Output) { c.written[i] = c.finish(outputs[0].Tokens) }
			c.requests = append(c.requests, &one)
		}
	}
	return c
}

// finish makes a text of an output.
func (c *composition) finish(output []int64) Written {
	tokens := slices.Clone(output[len(c.origin):])
	written := Written{Text: c.text(tokens), Tokens: tokens, End: EndLength}
	switch last := output[len(output)-1]; {
	case slices.Contains(c.settings.EOS, last):
		written.End = EndModel
	case c.stops != nil && c.stops(output):
		written.End = EndStop
	case c.stopped():
		written.End = EndStopped
	}
	return written
}

// stop tells whether an output is complete, nil where nothing but the settings can tell.
// What was recorded is passed through it as well, and is never given up.
func (c *composition) stop(job Job) func([]int64) bool {
	if job.Stopped == nil {
		return c.stops
	}
	least := len(c.origin) + len(job.Recorded)
	return func(written []int64) bool {
		return c.stops != nil && c.stops(written) || len(written) >= least && c.stopped()
	}
}

// text is what tokens say behind the origin: a space between both belongs to them.
func (c *composition) text(tokens []int64) string {
	s := c.writer.tokenizer.Stream()
	for _, id := range c.origin {
		s.Add(id)
	}
	var text strings.Builder
	for _, id := range tokens {
		text.WriteString(s.Add(id))
	}
	text.WriteString(s.End())
	return text.String()
}

// streaming tells progress of each token; the text grows with those that complete
// characters.
func (c *composition) streaming(recorded []int64, progress func(string, []int64)) func(int64) {
	s := c.writer.tokenizer.Stream()
	for _, id := range c.origin {
		s.Add(id)
	}
	var text strings.Builder
	tokens := slices.Clone(recorded)
	for _, id := range recorded {
		text.WriteString(s.Add(id))
	}
	return func(id int64) {
		tokens = append(tokens, id)
		text.WriteString(s.Add(id))
		progress(text.String(), tokens)
	}
}

// stopper tells whether an output ends with a text that holds one of the strings in such
// a way that its newest token belongs to it, as transformers' StopStringCriteria does.
func (w *Writer) stopper(stops []string) func([]int64) bool {
	longest := 0
	for _, s := range stops {
		longest = max(longest, len(s))
	}
	if longest == 0 {
		return nil
	}
	return func(written []int64) bool {
		// A token may be a single byte of a string.
		tail := written[max(0, len(written)-longest-1):]
		before := len(w.tokenizer.DecodeAll(tail[:len(tail)-1]))
		text := w.tokenizer.DecodeAll(tail)
		return slices.ContainsFunc(stops, func(s string) bool {
			at := strings.LastIndex(text, s)
			return s != "" && at >= 0 && at+len(s) > before
		})
	}
}
