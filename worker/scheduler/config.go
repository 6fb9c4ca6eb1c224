package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The classes of diffusers that are supported.
const (
	classLCM       = "LCMScheduler"
	classEuler     = "EulerDiscreteScheduler"
	classAncestral = "EulerAncestralDiscreteScheduler"
)

// config are the settings of a scheduler_config.json, in diffusers' words.
type config struct {
	Class          string  `json:"_class_name"`
	TrainTimesteps int     `json:"num_train_timesteps"`
	BetaStart      float64 `json:"beta_start"`
	BetaEnd        float64 `json:"beta_end"`
	BetaSchedule   string  `json:"beta_schedule"`
	PredictionType string  `json:"prediction_type"`
	Spacing        string  `json:"timestep_spacing"`
	StepsOffset    int     `json:"steps_offset"`
	ZeroSNR        bool    `json:"rescale_betas_zero_snr"`

	// What LCMScheduler has besides.
	OriginalSteps   int     `json:"original_inference_steps"`
	ClipSample      bool    `json:"clip_sample"`
	ClipRange       float64 `json:"clip_sample_range"`
	TimestepScaling float64 `json:"timestep_scaling"`
	Thresholding    bool    `json:"thresholding"`

	// What EulerDiscreteScheduler has besides. A sigma that is nil is the
	// schedule's own.
	Interpolation  string   `json:"interpolation_type"`
	Karras         bool     `json:"use_karras_sigmas"`
	Exponential    bool     `json:"use_exponential_sigmas"`
	Beta           bool     `json:"use_beta_sigmas"`
	SigmaMin       *float64 `json:"sigma_min"`
	SigmaMax       *float64 `json:"sigma_max"`
	TimestepType   string   `json:"timestep_type"`
	FinalSigmaType string   `json:"final_sigmas_type"`

	TrainedBetas json.RawMessage `json:"trained_betas"`
}

// parameters are the settings that each class reads.
var parameters = map[string][]string{
	classLCM: {
		"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "original_inference_steps", "clip_sample",
		"clip_sample_range", "set_alpha_to_one", "steps_offset", "prediction_type", "thresholding", "dynamic_thresholding_ratio",
		"sample_max_value", "timestep_spacing", "timestep_scaling", "rescale_betas_zero_snr",
	},
	classEuler: {
		"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type", "interpolation_type",
		"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "sigma_min", "sigma_max", "timestep_spacing", "timestep_type",
		"steps_offset", "rescale_betas_zero_snr", "final_sigmas_type",
	},
	classAncestral: {
		"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type", "timestep_spacing",
		"steps_offset", "rescale_betas_zero_snr",
	},
}

// foreign are settings of further classes, which files keep when a pipeline's
// scheduler is exchanged.
var foreign = []string{
	"skip_prk_steps", "algorithm_type", "solver_order", "solver_type", "lower_order_final", "euler_at_final", "lambda_min_clipped",
	"variance_type", "eta", "disable_corrector", "predict_x0", "use_flow_sigmas", "flow_shift", "use_lu_lambdas",
}

// defaults are those of the class.
func defaults(class string) config {
	c := config{
		Class: class, TrainTimesteps: 1000, BetaStart: 0.0001, BetaEnd: 0.02, BetaSchedule: "linear", PredictionType: "epsilon",
		Spacing: "linspace", Interpolation: "linear", TimestepType: "discrete", FinalSigmaType: "zero",
	}
	if class == classLCM {
		c.BetaStart, c.BetaEnd, c.BetaSchedule, c.Spacing = 0.00085, 0.012, "scaled_linear", "leading"
		c.OriginalSteps, c.ClipRange, c.TimestepScaling = 50, 1, 10
	}
	return c
}

// readConfig takes what the class reads. Settings of other classes have no
// effect, as in the reference; unknown ones are refused.
func readConfig(data []byte, raw map[string]json.RawMessage) (config, error) {
	var named struct {
		Class string `json:"_class_name"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return config{}, err
	}
	own, ok := parameters[named.Class]
	if !ok {
		return config{}, fmt.Errorf("the scheduler %q is not supported", named.Class)
	}
	read := map[string]json.RawMessage{}
	for name, v := range raw {
		switch {
		case slices.Contains(own, name):
			read[name] = v
		case strings.HasPrefix(name, "_"), slices.Contains(foreign, name), slices.ContainsFunc(otherClasses(named.Class), func(other string) bool { return slices.Contains(parameters[other], name) }):
		default:
			return config{}, fmt.Errorf("unknown setting %q", name)
		}
	}
	text, err := json.Marshal(read)
	if err != nil {
		return config{}, err
	}
	c := defaults(named.Class)
	if err := json.Unmarshal(text, &c); err != nil {
		return config{}, err
	}
	return c, errors.Join(c.validate(), c.refuse())
}

func otherClasses(class string) []string {
	var others []string
	for name := range parameters {
		if name != class {
			others = append(others, name)
		}
	}
	return others
}

// maxTimesteps bounds the tables that are made of a schedule.
const maxTimesteps = 100_000

// validate names settings that make no sense.
func (c *config) validate() error {
	oneOf := func(name, value string, values ...string) error {
		if slices.Contains(values, value) {
			return nil
		}
		return fmt.Errorf("%s is %q", name, value)
	}
	predictions := []string{"epsilon", "v_prediction"}
	if c.Class != classAncestral {
		predictions = append(predictions, "sample")
	}
	if c.Class == classEuler {
		predictions = append(predictions, "original_sample")
	}
	problems := []error{
		oneOf("beta_schedule", c.BetaSchedule, "linear", "scaled_linear", "squaredcos_cap_v2"),
		oneOf("prediction_type", c.PredictionType, predictions...),
		oneOf("timestep_spacing", c.Spacing, "linspace", "leading", "trailing"),
		oneOf("final_sigmas_type", c.FinalSigmaType, "zero", "sigma_min"),
	}
	if c.TrainTimesteps < 2 || c.TrainTimesteps > maxTimesteps {
		problems = append(problems, fmt.Errorf("num_train_timesteps is %d, not between 2 and %d", c.TrainTimesteps, maxTimesteps))
	}
	if c.BetaStart <= 0 || c.BetaEnd <= 0 || c.BetaStart >= 1 || c.BetaEnd >= 1 {
		problems = append(problems, fmt.Errorf("beta_start %v and beta_end %v are not between 0 and 1", c.BetaStart, c.BetaEnd))
	}
	if c.StepsOffset < 0 || c.StepsOffset > maxTimesteps {
		problems = append(problems, fmt.Errorf("steps_offset is %d, not between 0 and %d", c.StepsOffset, maxTimesteps))
	}
	if c.Class == classLCM && (c.OriginalSteps < 1 || c.OriginalSteps > c.TrainTimesteps) {
		problems = append(problems, fmt.Errorf("original_inference_steps is %d, not between 1 and num_train_timesteps", c.OriginalSteps))
	}
	for name, sigma := range map[string]*float64{"sigma_min": c.SigmaMin, "sigma_max": c.SigmaMax} {
		if sigma != nil && *sigma <= 0 {
			problems = append(problems, fmt.Errorf("%s is %v, not above 0", name, *sigma))
		}
	}
	return errors.Join(problems...)
}

// refuse names settings that are not supported.
func (c *config) refuse() error {
	var problems []error
	for name, set := range map[string]bool{
		"thresholding":                          c.Thresholding,
		"trained_betas":                         len(c.TrainedBetas) > 0 && string(c.TrainedBetas) != "null",
		"use_exponential_sigmas":                c.Exponential,
		"use_beta_sigmas":                       c.Beta,
		"interpolation_type " + c.Interpolation: c.Interpolation != "linear",
		// Only then does the reference look at it.
		"timestep_type " + c.TimestepType + " with v_prediction": c.TimestepType != "discrete" && c.PredictionType == "v_prediction",
		// The first step would divide by 0.
		"rescale_betas_zero_snr with prediction_type epsilon": c.Class == classLCM && c.ZeroSNR && c.PredictionType == "epsilon",
	} {
		if set {
			problems = append(problems, fmt.Errorf("%s is not supported", name))
		}
	}
	return errors.Join(problems...)
}
