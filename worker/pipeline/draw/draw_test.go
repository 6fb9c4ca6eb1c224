package draw

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/noise"
	"parley/worker/onnx"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

func opened(t testing.TB, dir string) *bundle.Bundle {
	t.Helper()
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	return b
}

func painter(t testing.TB) *Painter {
	t.Helper()
	p, err := Open(t.Context(), opened(t, testkit.Shared(t, "models", "random", "lcm-random")), pipeline.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func draw(t testing.TB, p *Painter, job Job, progress func(int, *Latents)) *picture.Picture {
	t.Helper()
	image, err := p.Draw(t.Context(), job, progress)
	require.NoError(t, err)
	return image
}

func TestTheBundleEqualsItsReference(t *testing.T) {
	f := &pipeline.Findings{}
	require.NoError(t, Verify(t.Context(), opened(t, testkit.Shared(t, "models", "random", "lcm-random")), pipeline.Options{}, f))
	assert.Equal(t, pipeline.Tally{Total: 3, Equal: 3}, f.Pictures, "%v", f.Differences)
}

// A picture follows from the job and its seed alone, whatever else is drawn.
func TestPicturesDependOnTheirSeedAlone(t *testing.T) {
	p := painter(t)
	jobs := make([]Job, 9)
	alone := make([]*picture.Picture, len(jobs))
	for i := range jobs {
		jobs[i] = Job{Prompt: "two red apples", Seed: uint64(i), Steps: 1 + i%4, Width: 16 + 8*(i%2), Height: 16}
		alone[i] = draw(t, p, jobs[i], nil)
		assert.Equal(t, jobs[i].Width, alone[i].Width)
	}
	assert.NotEqual(t, alone[0].RGB, alone[4].RGB, "another seed gives the same picture")
	var wait sync.WaitGroup
	for i, job := range jobs {
		wait.Go(func() {
			image, err := p.Draw(t.Context(), job, nil)
			assert.NoError(t, err)
			assert.Equal(t, alone[i], image, "picture %d", i)
		})
	}
	wait.Wait()
}

// What was recorded after any step goes on to the same picture, to the last bit, also
// by way of JSON.
func TestRecordedPicturesGoOn(t *testing.T) {
	p := painter(t)
	job := Job{Prompt: "snow", Seed: 5, Steps: 4}
	var recorded [][]byte
	whole := draw(t, p, job, func(total int, l *Latents) {
		assert.Equal(t, 4, total)
		data, err := json.Marshal(l)
		require.NoError(t, err)
		recorded = append(recorded, data)
	})
	require.Len(t, recorded, 4)
	for i, data := range recorded {
		var l Latents
		require.NoError(t, json.Unmarshal(data, &l))
		assert.Equal(t, i+1, l.Step)
		steps := 0
		job.Recorded = &l
		assert.Equal(t, whole, draw(t, p, job, func(int, *Latents) { steps++ }), "cut after step %d", l.Step)
		assert.Equal(t, 3-i, steps)
	}
}

// Latents of variance 1, as those of a trained model are.
func TestPreviewsShowThePictureRoughly(t *testing.T) {
	p := painter(t)
	l := &Latents{Values: make([]float32, 4*16*8)}
	noise.Source{Seed: 99}.Normal(0, l.Values)
	model, release, err := p.kept.Use(t.Context())
	require.NoError(t, err)
	defer release()
	image, err := model.decode(t.Context(), l.Values, 32, 16)
	require.NoError(t, err)
	for _, width := range []int{1, -8, 24} {
		_, err := p.Preview(l, width)
		assert.ErrorContains(t, err, "no picture", "width %d", width)
	}
	_, err = p.Preview(&Latents{Values: make([]float32, 4*8*8)}, 0)
	assert.NoError(t, err, "the model's own width")
	last, err := p.Preview(l, 32)
	require.NoError(t, err)
	require.Equal(t, [2]int{16, 8}, [2]int{last.Width, last.Height})
	// Nearer to the picture than its mean colour is.
	var off, flat float64
	for c := range 3 {
		mean := 0.0
		for i := range 16 * 8 {
			mean += block(image, c, i%16, i/16) / (16 * 8)
		}
		for i := range 16 * 8 {
			level := block(image, c, i%16, i/16)
			off += (level - float64(last.RGB[3*i+c])) * (level - float64(last.RGB[3*i+c]))
			flat += (level - mean) * (level - mean)
		}
	}
	assert.Less(t, off, flat)
	data, err := picture.EncodePNG(last)
	require.NoError(t, err)
	_, err = png.Decode(bytes.NewReader(data))
	assert.NoError(t, err)
}

// block is the mean level of the pixels of one place of the latents.
func block(p *picture.Picture, c, column, row int) float64 {
	sum := 0.0
	for y := range 2 {
		for x := range 2 {
			sum += float64(p.RGB[3*((2*row+y)*p.Width+2*column+x)+c])
		}
	}
	return sum / 4
}

func TestDrawRefusesWithACode(t *testing.T) {
	p := painter(t)
	high := 1000.0
	for want, job := range map[string]Job{
		"multiple of 2":      {Width: 15},
		"at most":            {Height: 1 << 20},
		"-3 steps":           {Steps: -3},
		"151 steps":          {Steps: 151},
		"in 51 steps":        {Steps: 51},
		"guidance is 1000":   {Guidance: &high},
		"16384 bytes":        {Prompt: strings.Repeat("a", maxPrompt+1)},
		"UTF-8":              {Prompt: "\xff"},
		"no negative prompt": {Negative: "a cat"},
		"was recorded":       {Recorded: &Latents{Step: 1, Values: make([]float32, 3)}},
		"belong to this":     {Steps: 2, Recorded: &Latents{Step: 2, Values: make([]float32, 4*8*8), Denoised: make([]float32, 7)}},
		"to this picture":    {Steps: 2, Recorded: &Latents{Step: 2, Values: make([]float32, 4*8*8)}},
		"does not belong":    {Steps: 2, Recorded: &Latents{Step: 3, Values: make([]float32, 4*8*8)}},
	} {
		_, err := p.Draw(t.Context(), job, nil)
		f, _ := pipeline.FailureOf(err)
		assert.Equal(t, jobspec.CodeInvalidInput, f.Code, "%s: %v", want, err)
		assert.Contains(t, f.Message, want)
	}
	assert.NotNil(t, draw(t, p, Job{Prompt: strings.Repeat("many words ", 900)}, nil), "a long prompt is cut")
}

// A picture may have some times the area that the model was made for, or what fits into
// memory where that is less, but always the model's own.
func TestTheLargestPictureFollowsFromTheModel(t *testing.T) {
	p := painter(t)
	own := p.Size() * p.Size()
	for _, test := range []struct {
		size  int
		bytes int64
		want  int
	}{{8, 1 << 30, smallArea}, {256, 1 << 30, 512 * 512 * p.config.scale * p.config.scale}, {8, 1, own}, {8, int64(1000 * p.config.pixelBytes()), 1000}} {
		other := &Painter{config: p.config, bytes: test.bytes}
		other.config.size = test.size
		assert.Equal(t, test.want, other.area(), "%+v", test)
	}
	p.bytes = int64(1000 * p.config.pixelBytes())
	assert.NotNil(t, draw(t, p, Job{Width: 40, Height: 24}, nil))
	_, err := p.Draw(t.Context(), Job{Width: 40, Height: 26}, nil)
	f, _ := pipeline.FailureOf(err)
	assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
	assert.Contains(t, f.Message, "40 by 26 pixels is too large")
}

func TestCancelEndsAPictureBetweenItsSteps(t *testing.T) {
	p := painter(t)
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	_, err := p.Draw(ctx, Job{Prompt: "a cat", Steps: 40}, func(int, *Latents) {
		if steps++; steps == 3 {
			cancel()
		}
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 3, steps)
	assert.NotNil(t, draw(t, p, Job{Prompt: "a cat"}, nil))
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for want, change := range map[string]struct{ file, from, to string }{
		`"StableDiffusionXLPipeline" is not supported`: {"model_index.json", `"LatentConsistencyModelPipeline"`, `"StableDiffusionXLPipeline"`},
		"DDIMScheduler":      {"scheduler/scheduler_config.json", `"LCMScheduler"`, `"DDIMScheduler"`},
		"thresholding":       {"scheduler/scheduler_config.json", `"thresholding": false`, `"thresholding": true`},
		"don't fit together": {"unet/config.json", `"in_channels": 4`, `"in_channels": 9`},
		"fit together":       {"unet/config.json", `"in_channels": 4`, `"in_channels": 1000000000000`},
		"up to 4096 tokens":  {"tokenizer/tokenizer_config.json", `"model_max_length": `, `"model_max_length": 10000`},
		"how long a prompt":  {"tokenizer/tokenizer_config.json", `"model_max_length"`, `"no_max_length"`},
	} {
		dir := filepath.Join(t.TempDir(), "variant")
		require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", "random", "lcm-random"))))
		path := filepath.Join(dir, filepath.FromSlash(change.file))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(data), change.from)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(data), change.from, change.to)), 0o600))
		_, err = Open(t.Context(), opened(t, dir), pipeline.Options{})
		assert.ErrorContains(t, err, want)
	}
	dir := filepath.Join(t.TempDir(), "missing")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", "random", "lcm-random"))))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "unet", "model.onnx")))
	_, err := Open(t.Context(), opened(t, dir), pipeline.Options{})
	f, _ := pipeline.FailureOf(err)
	assert.Equal(t, jobspec.CodeModelMissing, f.Code)
}

// Two painters with memory for one of them draw in turns what each draws alone, and a
// model that is not in memory is loaded when it is asked.
func TestModelsTakeTurnsUnderALimit(t *testing.T) {
	b := opened(t, testkit.Shared(t, "models", "random", "lcm-random"))
	want := draw(t, painter(t), Job{Prompt: "snow", Seed: 3}, nil)
	summary, err := b.Summary()
	require.NoError(t, err)
	o := pipeline.Options{Gate: pipeline.NewGate(1), Keeper: pipeline.NewKeeper(summary.Memory * 3 / 2), OnUse: true}
	var both [2]*Painter
	for i := range both {
		both[i], err = Open(t.Context(), b, o)
		require.NoError(t, err)
		assert.False(t, both[i].kept.Loaded(), "it was loaded before it was needed")
		_, err = both[i].Preview(&Latents{Values: make([]float32, 4*8*8)}, 0)
		assert.ErrorContains(t, err, "not loaded")
	}
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			image, err := both[i%2].Draw(t.Context(), Job{Prompt: "snow", Seed: 3}, nil)
			assert.NoError(t, err)
			assert.Equal(t, want, image)
		})
	}
	wait.Wait()
	assert.False(t, both[0].kept.Loaded() && both[1].kept.Loaded(), "both are in memory")
	for _, p := range both {
		_, err := p.Preview(&Latents{Values: make([]float32, 4*8*8)}, 0)
		assert.NoError(t, err, "it lives on without the model")
		assert.NoError(t, errors.Join(p.Close(), p.Close()))
	}
}

// A failed loading is told with its reason, and again without another try.
func TestFailedLoadsAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.CopyFS(dir, os.DirFS(testkit.Shared(t, "models", "random", "lcm-random"))))
	unet := filepath.Join(dir, "unet", "model.onnx")
	data, err := os.ReadFile(unet)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(unet, []byte("no model"), 0o600))
	p, err := Open(t.Context(), opened(t, dir), pipeline.Options{OnUse: true})
	require.NoError(t, err)
	for range 2 {
		_, err = p.Draw(t.Context(), Job{Prompt: "snow"}, nil)
		f, _ := pipeline.FailureOf(err)
		assert.Equal(t, jobspec.CodeModelBroken, f.Code)
		assert.ErrorContains(t, err, "unet")
		// What lies there by now is for a later try.
		require.NoError(t, os.WriteFile(unet, data, 0o600))
	}
	require.NoError(t, p.Close())
}

// Pictures under way and those that wait learn that the painter stopped, whenever that
// is, and it is closed after them.
func TestStartAndStop(t *testing.T) {
	b := opened(t, testkit.Shared(t, "models", "random", "lcm-random"))
	for i := range 6 {
		p, err := Open(t.Context(), b, pipeline.Options{OnUse: i%3 == 0})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 2 * maxPictures {
			wait.Go(func() {
				var err error
				for err == nil {
					_, err = p.Draw(context.Background(), Job{Prompt: "snow", Steps: 40}, func(int, *Latents) {
						if i%2 == 0 {
							cancel()
						}
					})
				}
				f, ok := pipeline.FailureOf(err)
				assert.True(t, ok, "got %v", err)
				assert.Equal(t, jobspec.CodeInternal, f.Code, "got %v", err)
			})
		}
		if i%2 == 1 {
			cancel()
		}
		assert.NoError(t, p.Run(ctx))
		wait.Wait()
		cancel()
		assert.NoError(t, p.Close())
	}
}

func TestSolve(t *testing.T) {
	t.Parallel()
	x, err := solve([][]float64{{0, 2, 1}, {1, 1, 0}, {3, 0, 1}}, []float64{7, 3, 6})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{1, 2, 3}, x, 1e-12)
	_, err = solve([][]float64{{1, 2}, {2, 4}}, []float64{1, 2})
	assert.ErrorIs(t, err, bundle.ErrBroken)
}

func BenchmarkDraw(b *testing.B) {
	p := painter(b)
	for _, side := range []int{16, 64} {
		b.Run(fmt.Sprintf("side=%d", side), func(b *testing.B) {
			for b.Loop() {
				draw(b, p, Job{Prompt: "a cat", Width: side, Height: side}, nil)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Minutes(), "pictures/min")
		})
	}
}
