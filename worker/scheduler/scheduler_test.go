package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// goldenStep is what diffusers makes of a step.
type goldenStep struct {
	Scaled, Next, Denoised []float32
	Noisy                  bool
}

type goldenRun struct {
	Config       json.RawMessage
	Steps        int
	Timesteps    []float32
	InitialScale float32 `json:"initial_scale"`
	Done         []goldenStep
}

type goldenFile struct {
	Sample          []float32
	Outputs, Noises [][]float32
	Runs            []goldenRun
}

func readGolden(t testing.TB) goldenFile {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "runs.json"))
	require.NoError(t, err)
	var g goldenFile
	require.NoError(t, json.Unmarshal(raw, &g))
	return g
}

// greatest is the greatest of some numbers and 1, whatever their signs.
func greatest(numbers ...float32) float64 {
	most := 1.0
	for _, n := range numbers {
		most = max(most, math.Abs(float64(n)))
	}
	return most
}

// near compares numbers with those wanted.
func near(t *testing.T, want, got []float32, delta float64, name string) {
	t.Helper()
	require.Len(t, got, len(want), name)
	for k := range want {
		assert.InDelta(t, want[k], got[k], delta, name)
	}
}

func TestRunsAreThoseOfDiffusers(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	require.Greater(t, len(g.Runs), 200)
	longer := false
	for _, want := range g.Runs {
		name := fmt.Sprintf("%d steps of %s", want.Steps, want.Config)
		s, err := Parse(want.Config)
		require.NoError(t, err, name)
		run, err := s.Start(want.Steps)
		require.NoError(t, err, name)
		timesteps := run.Timesteps()
		require.Len(t, timesteps, len(want.Timesteps), name)
		longer = longer || len(timesteps) > want.Steps
		for i := range timesteps {
			// Karras' timesteps lie between whole ones, where logarithms of
			// float32 say: their last digits count.
			assert.InDelta(t, want.Timesteps[i], float32(timesteps[i]), toleranceOf(s)*1000, name)
		}
		assert.InEpsilon(t, want.InitialScale, run.InitialScale(), 1e-6, name)
		g.follow(t, run, want, name)
	}
	assert.True(t, longer, "some run has one timestep more than it was asked for")
}

func toleranceOf(s *Scheduler) float64 {
	if s.config.Karras {
		return 1e-6
	}
	return 0
}

// follow goes the way of a golden run twice: each step from where the reference
// was, and all of them from their own beginning. Torch's square root is the last
// digit off for some numbers, of which a schedule with zero_snr makes more.
func (g goldenFile) follow(t *testing.T, run Run, want goldenRun, name string) {
	t.Helper()
	sample := slices.Clone(g.Sample)
	for k := range sample {
		sample[k] *= run.InitialScale()
	}
	own := sample
	for i, step := range want.Done {
		at := fmt.Sprintf("step %d of %s", i, name)
		scaled, err := run.ScaleInput(sample, i)
		require.NoError(t, err, at)
		near(t, step.Scaled, scaled, 1e-6*greatest(step.Scaled...), at)
		noise := g.Noises[i]
		if !run.NoiseNeeded(i) {
			noise = nil
		}
		// Where the reference draws no noise none is needed.
		assert.True(t, step.Noisy || noise == nil, at)
		before := slices.Clone(sample)
		next, denoised, err := run.Step(g.Outputs[i], i, sample, noise)
		require.NoError(t, err, at)
		near(t, step.Next, next, 1e-6*greatest(slices.Concat(step.Next, sample)...), at)
		near(t, step.Denoised, denoised, 1e-6*greatest(slices.Concat(step.Denoised, sample)...), at)
		assert.Equal(t, before, sample, at)
		sample = step.Next
		own, _, err = run.Step(g.Outputs[i], i, own, noise)
		require.NoError(t, err, at)
	}
	near(t, sample, own, 1e-5*greatest(sample...), "end of "+name)
}

func TestTimestepsOfTheTestBundle(t *testing.T) {
	t.Parallel()
	s, err := Open(testkit.Shared(t, "models", "random", "lcm-random", "scheduler", "scheduler_config.json"))
	require.NoError(t, err)
	raw, err := os.ReadFile(testkit.Shared(t, "models", "random", "lcm-random", "reference.json"))
	require.NoError(t, err)
	var reference struct {
		Cases []struct {
			Steps     int
			Timesteps []float64
			Latents   []float32
			Noise     [][]float32 `json:"step_noise"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &reference))
	require.NotEmpty(t, reference.Cases)
	for _, c := range reference.Cases {
		run, err := s.Start(c.Steps)
		require.NoError(t, err)
		assert.Equal(t, c.Timesteps, run.Timesteps())
		assert.Len(t, c.Noise, c.Steps-1)
		sample := c.Latents
		for i := range c.Timesteps {
			require.Equal(t, i < len(c.Noise), run.NoiseNeeded(i))
			var noise []float32
			if i < len(c.Noise) {
				noise = c.Noise[i]
			}
			sample, _, err = run.Step(make([]float32, len(sample)), i, sample, noise)
			require.NoError(t, err)
		}
	}
}

// contract is what every run keeps to.
func contract(t *testing.T, name string, run Run, steps int) {
	t.Helper()
	timesteps := run.Timesteps()
	require.Len(t, timesteps, steps, name)
	assert.True(t, slices.IsSortedFunc(timesteps, func(a, b float64) int { return int(b - a) }), "%s: %v fall", name, timesteps)
	assert.Positive(t, run.InitialScale(), name)
	sample, output, noise := []float32{1, -2, 3}, []float32{0.5, 0, -0.5}, []float32{0.1, 0.2, 0.3}
	for _, i := range []int{-1, steps, math.MaxInt, math.MinInt} {
		_, err := run.ScaleInput(sample, i)
		assert.Error(t, err, name)
		_, _, err = run.Step(output, i, sample, noise)
		assert.Error(t, err, name)
	}
	for i := range timesteps {
		first, shown, err := run.Step(output, i, sample, noise)
		require.NoError(t, err, name)
		for _, v := range slices.Concat(first, shown) {
			assert.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), "%s, step %d: %v", name, i, v)
		}
		again, _, err := run.Step(output, i, sample, noise)
		require.NoError(t, err, name)
		assert.Equal(t, first, again, "%s: a run keeps no state", name)
		_, _, err = run.Step(output[:2], i, sample, noise)
		assert.ErrorContains(t, err, "2 numbers of the model for 3", name)
		if run.NoiseNeeded(i) {
			_, _, err = run.Step(output, i, sample, nil)
			assert.ErrorContains(t, err, "0 numbers of noise for 3", name)
		}
		empty, _, err := run.Step(nil, i, nil, nil)
		require.NoError(t, err, name)
		assert.Empty(t, empty, name)
	}
}

func TestSchedulersKeepTheContract(t *testing.T) {
	t.Parallel()
	for class := range parameters {
		for _, spacing := range []string{"leading", "trailing", "linspace"} {
			for _, prediction := range []string{"epsilon", "v_prediction"} {
				s, err := Parse(fmt.Appendf(nil, `{"_class_name": %q, "timestep_spacing": %q, "prediction_type": %q, "beta_end": 0.012}`, class, spacing, prediction))
				require.NoError(t, err)
				for _, steps := range []int{1, 3, 50} {
					run, err := s.Start(steps)
					require.NoError(t, err)
					contract(t, fmt.Sprintf("%s, %s, %s, %d", class, spacing, prediction, steps), run, steps)
				}
			}
		}
	}
}

func TestStepsAreBounded(t *testing.T) {
	t.Parallel()
	for class, limit := range map[string]int{classLCM: 50, classEuler: 1000, classAncestral: 1000} {
		s, err := Parse(fmt.Appendf(nil, `{"_class_name": %q}`, class))
		require.NoError(t, err)
		for _, steps := range []int{-1, 0, limit + 1, math.MaxInt} {
			_, err := s.Start(steps)
			assert.ErrorContains(t, err, "are not between 1 and", "%s, %d", class, steps)
		}
		_, err = s.Start(limit)
		assert.NoError(t, err)
	}
}

func TestWhatIsNotSupportedIsNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`{"_class_name": "DDIMScheduler"}`: `the scheduler "DDIMScheduler" is not supported`,
		`{"_class_name": "PNDMScheduler"}`: `the scheduler "PNDMScheduler" is not supported`,
		`{}`:                               `the scheduler "" is not supported`,
		`[]`:                               "cannot unmarshal",
		`{"_class_name": "LCMScheduler", "thresholding": true}`:                                                       "thresholding is not supported",
		`{"_class_name": "LCMScheduler", "trained_betas": [0.1]}`:                                                     "trained_betas is not supported",
		`{"_class_name": "LCMScheduler", "rescale_betas_zero_snr": true}`:                                             "rescale_betas_zero_snr with prediction_type epsilon is not supported",
		`{"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": true}`:                                          "use_beta_sigmas is not supported",
		`{"_class_name": "EulerDiscreteScheduler", "use_exponential_sigmas": true}`:                                   "use_exponential_sigmas is not supported",
		`{"_class_name": "EulerDiscreteScheduler", "interpolation_type": "log_linear"}`:                               "interpolation_type log_linear is not supported",
		`{"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous", "prediction_type": "v_prediction"}`: "timestep_type continuous with v_prediction is not supported",
		`{"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "sample"}`:                             `prediction_type is "sample"`,
		`{"_class_name": "EulerDiscreteScheduler", "beta_schedule": "sigmoid"}`:                                       `beta_schedule is "sigmoid"`,
		`{"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "log"}`:                                        `timestep_spacing is "log"`,
		`{"_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "one"}`:                                       `final_sigmas_type is "one"`,
		`{"_class_name": "EulerDiscreteScheduler", "brand_new": 1}`:                                                   `unknown setting "brand_new"`,
		`{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000000000}`:                                "num_train_timesteps is 1000000000",
		`{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1}`:                                         "num_train_timesteps is 1",
		`{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": "many"}`:                                    "num_train_timesteps",
		`{"_class_name": "EulerDiscreteScheduler", "beta_end": 1}`:                                                    "beta_end 1 are not between 0 and 1",
		`{"_class_name": "EulerDiscreteScheduler", "steps_offset": -1}`:                                               "steps_offset is -1",
		`{"_class_name": "EulerDiscreteScheduler", "sigma_min": 0}`:                                                   "sigma_min is 0",
		`{"_class_name": "LCMScheduler", "original_inference_steps": 1001}`:                                           "original_inference_steps is 1001",
	}
	for config, want := range tests {
		_, err := Parse([]byte(config))
		assert.ErrorContains(t, err, want, "%s", config)
	}
}

func TestSettingsOfOtherClassesHaveNoEffect(t *testing.T) {
	t.Parallel()
	const kept = `{"_class_name": "EulerAncestralDiscreteScheduler", "_diffusers_version": "0.24.0", "clip_sample": true, "thresholding": true,
		"use_karras_sigmas": true, "interpolation_type": "log_linear", "sigma_max": null, "skip_prk_steps": true, "set_alpha_to_one": false,
		"final_sigmas_type": "sigma_min", "trained_betas": null, "beta_start": 0.00085}`
	s, err := Parse([]byte(kept))
	require.NoError(t, err)
	plain, err := Parse([]byte(`{"_class_name": "EulerAncestralDiscreteScheduler", "beta_start": 0.00085}`))
	require.NoError(t, err)
	s.config.TrainedBetas = nil
	assert.Equal(t, plain, s)
}

func TestOpenBoundsWhatItReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scheduler_config.json")
	_, err := Open(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(" ", maxConfig+1)), 0o600))
	_, err = Open(path)
	assert.ErrorContains(t, err, "more than 1048576 bytes")
}

func FuzzParse(f *testing.F) {
	for _, run := range readGolden(f).Runs {
		f.Add([]byte(run.Config), run.Steps)
	}
	f.Fuzz(func(t *testing.T, config []byte, steps int) {
		s, err := Parse(config)
		if err != nil {
			return
		}
		run, err := s.Start(steps)
		if err != nil {
			return
		}
		assert.NotEmpty(t, run.Timesteps())
		_, _, err = run.Step([]float32{1}, 0, []float32{1}, []float32{1})
		assert.NoError(t, err)
	})
}

func BenchmarkStep(b *testing.B) {
	s, err := Parse([]byte(`{"_class_name": "LCMScheduler"}`))
	require.NoError(b, err)
	run, err := s.Start(4)
	require.NoError(b, err)
	latents := make([]float32, 4*64*64)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := run.Step(latents, 0, latents, latents); err != nil {
			b.Fatal(err)
		}
	}
}
