"""Runs diffusers' schedulers over many settings into a golden file.

Run it from the repository's root, with what requirements.txt names:
    python oracle/scheduler/make.py
"""

import json
import pathlib

import diffusers
import numpy as np
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_euler_discrete, scheduling_lcm

OUT = pathlib.Path(__file__).parent.parent.parent / "worker" / "scheduler" / "testdata" / "runs.json"
SIZE, STEPS = 4, (1, 2, 4, 8, 25)
# With so many steps "trailing" makes one timestep more, by numpy.arange's rounding.
ODD = 61

rng = np.random.default_rng(7)
sample = rng.standard_normal(SIZE).astype(np.float32)
outputs = rng.standard_normal((ODD + 1, SIZE)).astype(np.float32)
noises = rng.standard_normal((ODD + 1, SIZE)).astype(np.float32)

drawn = []


def noise_of_step(*args, **kwargs):
    """Stands in for random noise: the numbers that the golden file holds."""
    drawn.append(True)
    return torch.from_numpy(noises[noise_of_step.step])


for module in (scheduling_lcm, scheduling_euler_discrete, scheduling_euler_ancestral_discrete):
    module.randn_tensor = noise_of_step

SCALED = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
SHARED = [
    {},
    SCALED,
    dict(SCALED, steps_offset=1, timestep_spacing="leading"),
    dict(SCALED, timestep_spacing="trailing"),
    dict(SCALED, timestep_spacing="linspace"),
    dict(SCALED, prediction_type="v_prediction"),
    dict(beta_schedule="linear", beta_start=0.0001, beta_end=0.02, timestep_spacing="leading"),
    dict(beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing"),
    dict(SCALED, rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"),
    dict(SCALED, num_train_timesteps=777, timestep_spacing="trailing"),
    dict(SCALED, num_train_timesteps=200),
]
OWN = {
    "LCMScheduler": [
        dict(prediction_type="sample"),
        dict(set_alpha_to_one=False, steps_offset=1),
        dict(original_inference_steps=100),
        dict(original_inference_steps=33, num_train_timesteps=500),
        dict(clip_sample=True),
        dict(clip_sample=True, clip_sample_range=0.3, prediction_type="v_prediction"),
        dict(timestep_scaling=1.0),
    ],
    "EulerDiscreteScheduler": [
        dict(SCALED, prediction_type="sample"),
        dict(SCALED, final_sigmas_type="sigma_min"),
        dict(SCALED, use_karras_sigmas=True),
        dict(SCALED, use_karras_sigmas=True, timestep_spacing="trailing", final_sigmas_type="sigma_min"),
        dict(SCALED, use_karras_sigmas=True, sigma_min=0.1, sigma_max=10.0, timestep_spacing="leading", steps_offset=1),
        dict(SCALED, timestep_type="continuous"),
        dict(SCALED, rescale_betas_zero_snr=True, timestep_spacing="trailing"),
        dict(SCALED, sigma_min=0.1, sigma_max=10.0),
    ],
    "EulerAncestralDiscreteScheduler": [
        dict(SCALED, rescale_betas_zero_snr=True, timestep_spacing="trailing"),
    ],
}


def run(name, settings, steps):
    scheduler = getattr(diffusers, name)(**settings)
    scheduler.set_timesteps(steps)
    start = np.float32(scheduler.init_noise_sigma)
    x = torch.from_numpy(sample) * scheduler.init_noise_sigma
    done = []
    for i, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, t)
        noise_of_step.step = i
        drawn.clear()
        x, denoised = scheduler.step(torch.from_numpy(outputs[i]), t, x, return_dict=False)
        done.append({"scaled": numbers(scaled), "noisy": bool(drawn), "next": numbers(x), "denoised": numbers(denoised)})
    config = {key: value for key, value in scheduler.config.items() if key != "_use_default_values"}
    return {"config": {"_class_name": name, **config}, "steps": steps, "timesteps": numbers(scheduler.timesteps), "initial_scale": float(start), "done": done}


def numbers(tensor):
    return [float(repr(np.float32(v)).removeprefix("np.float32(").removesuffix(")")) for v in tensor.detach().numpy().ravel()]


runs = []
for name, own in OWN.items():
    for settings in SHARED + own:
        if name == "LCMScheduler" and settings.get("rescale_betas_zero_snr") and "prediction_type" not in settings:
            continue
        runs += [run(name, settings, steps) for steps in STEPS]
runs += [run(name, dict(SCALED, timestep_spacing="trailing"), ODD) for name in OWN if name != "LCMScheduler"]
OUT.parent.mkdir(exist_ok=True)
head = {"versions": {"diffusers": diffusers.__version__, "torch": torch.__version__, "numpy": np.__version__}}
head |= {"sample": numbers(torch.from_numpy(sample)), "outputs": [numbers(torch.from_numpy(v)) for v in outputs], "noises": [numbers(torch.from_numpy(v)) for v in noises]}
text = json.dumps(head)[:-1] + ', "runs": [\n' + ",\n".join(json.dumps(r) for r in runs) + "\n]}\n"
OUT.write_text(text)
print(len(runs), "runs", len(text), "bytes")
