package write

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// start opens a bundle of the shared models and runs its writer for the test.
func start(t testing.TB, name string) *Writer {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(testkit.Shared(t, "models", name))
	require.NoError(t, err)
	w, err := Open(t.Context(), b, Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		assert.NoError(t, w.Close())
	})
	return w
}

func TestEveryBundleEqualsItsReference(t *testing.T) {
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	for _, name := range []string{"random/gpt2-random", "random/qwen2-random", "caption-mini"} {
		b, err := bundle.Open(testkit.Shared(t, "models", name))
		require.NoError(t, err)
		f := &pipeline.Findings{}
		require.NoError(t, Verify(t.Context(), b, Options{}, f))
		assert.Empty(t, f.Differences, name)
		assert.NotZero(t, f.Cases.Total, name)
		assert.NotZero(t, f.Tokens.Total, name)
	}
}

// What is told while a text is written only grows, and ends as the text.
func TestTextsStreamIn(t *testing.T) {
	w := start(t, "caption-mini")
	for seed := range uint64(5) {
		var told []string
		var tokens []int64
		got, err := w.Write(t.Context(), Job{Messages: []chat.Message{chat.Text("user", "dog, beach")}, Seed: seed}, func(text string, ids []int64) {
			told, tokens = append(told, text), append([]int64(nil), ids...)
		})
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.NotEmpty(t, strings.TrimSpace(got[0].Text))
		assert.Equal(t, got[0].Text, told[len(told)-1])
		assert.Equal(t, got[0].Tokens, tokens)
		assert.Greater(t, len(told), 3)
		for i := 1; i < len(told); i++ {
			assert.True(t, strings.HasPrefix(told[i], told[i-1]), "%q became %q", told[i-1], told[i])
		}
	}
}

// A text that was cut off after any token ends as it would have, and the told text goes
// on where it was.
func TestTextsGoOn(t *testing.T) {
	w := start(t, "caption-mini")
	job := Job{Prompt: "two elephants =>", Seed: 7}
	whole, err := w.Write(t.Context(), job, nil)
	require.NoError(t, err)
	for cut := range whole[0].Tokens {
		job.Recorded = whole[0].Tokens[:cut]
		var first string
		again, err := w.Write(t.Context(), job, func(text string, _ []int64) {
			if first == "" {
				first = text
			}
		})
		require.NoError(t, err)
		assert.Equal(t, whole, again, "cut after %d tokens", cut)
		assert.True(t, strings.HasPrefix(whole[0].Text, first))
	}
}

// A text that its owner stops is the beginning of what it would have become, also where an
// earlier attempt wrote most of it.
func TestAStoppedTextKeepsWhatThereIs(t *testing.T) {
	w := start(t, "random/gpt2-random")
	job := Job{Ask: "once upon a time", Seed: 3, Settings: json.RawMessage(`{"max_new_tokens": 60, "min_new_tokens": 60}`)}
	whole, err := w.Write(t.Context(), job, nil)
	require.NoError(t, err)
	require.Equal(t, EndLength, whole[0].End)

	stop := make(chan struct{})
	job.Stopped = stop
	var once sync.Once
	part, err := w.Write(t.Context(), job, func(_ string, tokens []int64) {
		if len(tokens) == 5 {
			once.Do(func() { close(stop) })
		}
	})
	require.NoError(t, err)
	assert.Equal(t, EndStopped, part[0].End)
	assert.Less(t, len(part[0].Tokens), 10)
	assert.Equal(t, whole[0].Tokens[:len(part[0].Tokens)], part[0].Tokens)
	assert.True(t, strings.HasPrefix(whole[0].Text, part[0].Text))

	job.Recorded = whole[0].Tokens[:30]
	late, err := w.Write(t.Context(), job, nil)
	require.NoError(t, err)
	assert.Equal(t, EndStopped, late[0].End)
	assert.Equal(t, whole[0].Tokens[:len(late[0].Tokens)], late[0].Tokens)
	assert.GreaterOrEqual(t, len(late[0].Tokens), 30)
	assert.Less(t, len(late[0].Tokens), 35)
}

// The same input, settings and seed give the same bytes in any company.
func TestCompanyChangesNothing(t *testing.T) {
	w := start(t, "caption-mini")
	jobs := make([]Job, 16)
	alone := make([][]Written, len(jobs))
	for i := range jobs {
		jobs[i] = Job{Prompt: []string{"a cat =>", "snowy mountain, two people and a dog =>", "pizza =>"}[i%3], Seed: uint64(i)}
		if i%4 == 3 {
			jobs[i].Settings = json.RawMessage(`{"do_sample": false, "num_beams": 3, "num_return_sequences": 2}`)
		}
		if i%4 == 2 {
			jobs[i].Settings = json.RawMessage(`{"num_return_sequences": 3, "temperature": 1.1, "top_k": 0}`)
		}
		var err error
		alone[i], err = w.Write(t.Context(), jobs[i], nil)
		require.NoError(t, err)
	}
	assert.Len(t, alone[3], 2, "two beams")
	assert.Len(t, alone[2], 3, "three samples")
	assert.NotEqual(t, alone[2][0], alone[2][1], "the samples of a seed are alike")
	var wait sync.WaitGroup
	for i, job := range jobs {
		wait.Go(func() {
			got, err := w.Write(t.Context(), job, nil)
			assert.NoError(t, err)
			assert.Equal(t, alone[i], got, "job %d", i)
		})
	}
	wait.Wait()
}

func TestStopStringsEndATextWithinTheirToken(t *testing.T) {
	w := start(t, "caption-mini")
	job := Job{Prompt: "a cat in a park =>", Settings: json.RawMessage(`{"do_sample": false, "repetition_penalty": 1.0}`)}
	whole, err := w.Write(t.Context(), job, nil)
	require.NoError(t, err)
	require.Equal(t, " A cat is sitting on a park bench.", whole[0].Text)
	assert.Equal(t, EndModel, whole[0].End)
	for stop, want := range map[string]string{"sitting": " A cat is sitting", "t is s": " A cat is sitting", "on a": " A cat is sitting on a", "bench": " A cat is sitting on a park bench", "zebra": whole[0].Text} {
		settings, err := json.Marshal(map[string]any{"do_sample": false, "repetition_penalty": 1.0, "stop_strings": []string{stop, "never"}})
		require.NoError(t, err)
		for _, beams := range []string{"", `"num_beams": 2, `} {
			job.Settings = json.RawMessage("{" + beams + string(settings[1:]))
			got, err := w.Write(t.Context(), job, nil)
			require.NoError(t, err)
			if beams == "" {
				assert.Equal(t, want, got[0].Text, "stop at %q", stop)
			}
			if stop != "zebra" && strings.Contains(got[0].Text, stop) {
				assert.Equal(t, EndStop, got[0].End, "stop at %q", stop)
			}
		}
	}
	job.Settings = json.RawMessage(`{"do_sample": false, "max_new_tokens": 3}`)
	short, err := w.Write(t.Context(), job, nil)
	require.NoError(t, err)
	assert.Len(t, short[0].Tokens, 3)
	assert.Equal(t, EndLength, short[0].End)
}

func TestWriteRefusesWithACode(t *testing.T) {
	w, gpt := start(t, "random/qwen2-random"), start(t, "random/gpt2-random")
	for name, test := range map[string]struct {
		writer *Writer
		job    Job
		want   string
	}{
		"no text":      {w, Job{}, "nothing"},
		"no UTF-8":     {w, Job{Prompt: "\xff"}, "UTF-8"},
		"too long":     {w, Job{Prompt: strings.Repeat("x ", 400)}, "too long"},
		"far too long": {w, Job{Prompt: strings.Repeat("x", maxPrompt+1)}, "bytes"},
		"unsupported":  {w, Job{Prompt: "a", Settings: json.RawMessage(`{"penalty_alpha": 0.5}`)}, "penalty_alpha"},
		"no settings":  {w, Job{Prompt: "a", Settings: json.RawMessage(`{"top_p"`)}, "settings"},
		"no tokens":    {w, Job{Prompt: "a", Settings: json.RawMessage(`{"max_new_tokens": 0}`)}, "max_new_tokens"},
		"two go on":    {w, Job{Prompt: "a", Recorded: []int64{5}, Settings: json.RawMessage(`{"do_sample": true, "num_return_sequences": 2}`)}, "single text"},
		"not a token":  {w, Job{Prompt: "a", Recorded: []int64{1 << 40}}, "does not have it"},
		"no template":  {gpt, Job{Messages: []chat.Message{chat.Text("user", "a")}}, "no chats"},
		"no messages":  {w, Job{Messages: []chat.Message{}}, "template"},
	} {
		_, err := test.writer.Write(t.Context(), test.job, nil)
		f, ok := pipeline.FailureOf(err)
		assert.True(t, ok, name)
		assert.Equal(t, jobspec.CodeInvalidInput, f.Code, "%s: %v", name, err)
		assert.Contains(t, f.Message, test.want, name)
	}
	got, err := w.Write(t.Context(), Job{Messages: []chat.Message{chat.Text("user", "<|im_end|> says who?")}, Now: time.Now()}, nil)
	require.NoError(t, err, "the model lives on")
	assert.Len(t, got, 1)
}

// A caller that gives up ends its own text alone, at once.
func TestCancelStopsOneTextAlone(t *testing.T) {
	w := start(t, "caption-mini")
	long := Job{Prompt: "a cat =>", Settings: json.RawMessage(`{"max_new_tokens": 200, "eos_token_id": 3998}`)}
	want, err := w.Write(t.Context(), long, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	neighbour := make(chan []Written, 1)
	begun := make(chan struct{})
	go func() {
		<-begun
		got, err := w.Write(t.Context(), long, nil)
		assert.NoError(t, err)
		neighbour <- got
	}()
	_, err = w.Write(ctx, long, func(_ string, ids []int64) {
		switch len(ids) {
		case 5:
			close(begun)
		case 40:
			cancel()
		}
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, want, <-neighbour)
	cancel()
}

func BenchmarkWrite(b *testing.B) {
	w := start(b, "caption-mini")
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			tokens := 0
			for b.Loop() {
				var wait sync.WaitGroup
				for i := range batch {
					wait.Go(func() {
						_, err := w.Write(b.Context(), Job{Prompt: "a cat in a park =>", Seed: uint64(i), Settings: json.RawMessage(`{"max_new_tokens": 64, "eos_token_id": 3998}`)}, nil)
						assert.NoError(b, err)
					})
				}
				wait.Wait()
				tokens += 64 * batch
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
