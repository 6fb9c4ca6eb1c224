"""Bundles of models that draw: latent diffusion in the layout of diffusers."""
import json
import shutil

import diffusers
import numpy as np
import torch
import transformers
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm
from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTDiffusionPipeline

import bundle
from bundle import loud
from embedding import clip_tokenizer

SAMPLING = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def narrow_ids(path):
    """Makes the ids of a text encoder int32, as some exporters have them, with a cast behind."""
    import onnx
    from onnx import TensorProto, helper
    m = onnx.load(str(path))
    port = m.graph.input[0]
    for node in m.graph.node:
        for i, name in enumerate(node.input):
            if name == port.name:
                node.input[i] = "wide_ids"
    port.type.tensor_type.elem_type = TensorProto.INT32
    m.graph.node.insert(0, helper.make_node("Cast", [port.name], ["wide_ids"], to=TensorProto.INT64))
    onnx.save(m, str(path))


def draw(out, seed, vocab, words, cases, scheduler, consistent=False, guidance_width=None, blocks=(8, 16, 16), unet=(16, 32), sample=8, narrow=False, factor=0.18215, cross=24, text_layers=1, groups=4, short=False):
    tok = clip_tokenizer(seed, vocab, words)
    torch.manual_seed(seed)
    text = loud(transformers.CLIPTextModel(transformers.CLIPTextConfig(vocab_size=len(tok), hidden_size=cross, intermediate_size=cross * 2, num_hidden_layers=text_layers, num_attention_heads=3, max_position_embeddings=words,
                                                                       eos_token_id=tok.eos_token_id, bos_token_id=tok.bos_token_id, pad_token_id=tok.eos_token_id)))
    net = diffusers.UNet2DConditionModel(block_out_channels=unet, layers_per_block=1, sample_size=sample, in_channels=4, out_channels=4, down_block_types=("CrossAttnDownBlock2D",) + ("DownBlock2D",) * (len(unet) - 1),
                                         up_block_types=("UpBlock2D",) * (len(unet) - 1) + ("CrossAttnUpBlock2D",), cross_attention_dim=cross, attention_head_dim=4, norm_num_groups=groups, time_cond_proj_dim=guidance_width).eval()
    n = len(blocks)
    vae = diffusers.AutoencoderKL(block_out_channels=blocks, layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * n, up_block_types=("UpDecoderBlock2D",) * n, latent_channels=4, norm_num_groups=groups,
                                  sample_size=sample << (n - 1), scaling_factor=factor).eval()
    parts = dict(vae=vae, text_encoder=text, tokenizer=tok, unet=net, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    if consistent:
        pipe = diffusers.LatentConsistencyModelPipeline(scheduler=diffusers.LCMScheduler(**SAMPLING, **scheduler), **parts)
    else:
        name = scheduler["class"]
        scheduler = {k: v for k, v in scheduler.items() if k != "class"}
        pipe = diffusers.StableDiffusionPipeline(scheduler=getattr(diffusers, name)(**SAMPLING, **scheduler), **parts)
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(out / "pt")
    main_export(str(out / "pt"), output=str(out), task="text-to-image", library_name="diffusers")
    shutil.rmtree(out / "pt")
    if short:
        shutil.rmtree(out / "vae_encoder")
        for part in ("text_encoder", "unet", "vae_decoder"):
            bundle.shorten(out / part / "model.onnx")
    if narrow:
        narrow_ids(out / "text_encoder/model.onnx")
    ort = None if narrow or short else ORTDiffusionPipeline.from_pretrained(out)
    if ort:
        ort.set_progress_bar_config(disable=True)
    done, dropped = [], 0
    for i, kw in enumerate(cases):
        case, image = run(pipe, 100 * seed + i, **kw)
        if ort and np.abs(run(ort, 100 * seed + i, **kw)[1] - image).max() > 1 / 255:
            dropped += 1
            continue
        done.append(case)
    shutil.rmtree(out / "vae_encoder", ignore_errors=True)
    bundle.write(out, "text to picture", diffusers=diffusers.__version__, cases=done, dropped=dropped)


def run(pipe, seed, prompt, steps, guidance, height, width, negative=""):
    noises = []
    modules = (scheduling_lcm, scheduling_euler_ancestral_discrete)
    originals = [m.randn_tensor for m in modules]

    def spy(shape, generator=None, device=None, dtype=None, layout=None):
        noise = torch.randn(tuple(shape), generator=generator)
        noises.append([round(float(x), 5) for x in noise.ravel()])
        return torch.tensor(noises[-1]).reshape(tuple(shape))
    for m in modules:
        m.randn_tensor = spy
    g = torch.Generator().manual_seed(seed)
    side = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    latents = torch.round(torch.randn((1, 4, height // side, width // side), generator=g), decimals=5)
    more = {} if "Consistency" in type(pipe).__name__ else {"negative_prompt": negative or None}
    try:
        with torch.no_grad():
            image = pipe(prompt, num_inference_steps=steps, guidance_scale=guidance, latents=latents.clone(), generator=g, output_type="np", height=height, width=width, **more).images[0]
    finally:
        for m, o in zip(modules, originals):
            m.randn_tensor = o
    return {"prompt": prompt, "negative_prompt": negative, "steps": steps, "guidance_scale": guidance, "height": height, "width": width, "latents": [round(float(x), 5) for x in latents.ravel()],
            "timesteps": [float(t) for t in pipe.scheduler.timesteps], "step_noise": noises, "image": [round(float(x), 4) for x in image.ravel()]}, image
