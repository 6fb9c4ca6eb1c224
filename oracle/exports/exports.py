"""Writes small bundles with random weights, other than the tests' own in family, layout and size, and what
the reference library gives for them. README.md tells how to run it."""
import argparse
import json
import shutil
import traceback
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import torch

import drawing
import embedding
import writing

BUNDLES = {
    "llama-one-head": (writing.causal, 21, dict(family="llama", vocab=433, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=1, head_dim=10,
                                                max_position_embeddings=160, rope_scaling={"rope_type": "linear", "factor": 3.0}, tie_word_embeddings=False)),
    "llama3-rope": (writing.causal, 22, dict(family="llama", vocab=401, hidden_size=24, intermediate_size=40, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256,
                                             rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, tie_word_embeddings=True)),
    "marian-two-files": (writing.seq2seq, 23, dict(family="marian", vocab=260, d_model=24, encoder_layers=3, decoder_layers=3, encoder_ffn_dim=40, decoder_ffn_dim=36, encoder_attention_heads=2,
                                                   decoder_attention_heads=2, max_position_embeddings=96, scale_embedding=True, activation_function="swish", static_position_embeddings=True)),
    "t5-two-files": (writing.seq2seq, 24, dict(family="t5", vocab=251, d_model=24, d_kv=10, d_ff=52, num_layers=3, num_decoder_layers=3, num_heads=3, feed_forward_proj="relu", tie_word_embeddings=True)),
    "gpt2-no-positions": (writing.causal, 25, dict(family="gpt2", vocab=397, positions=False, n_positions=80, n_embd=36, n_layer=3, n_head=3)),
    "neox": (writing.causal, 26, dict(family="gpt_neox", vocab=389, hidden_size=32, intermediate_size=60, num_hidden_layers=3, num_attention_heads=2, rotary_pct=0.25, max_position_embeddings=128)),
    "phi": (writing.causal, 27, dict(family="phi", vocab=383, hidden_size=36, intermediate_size=60, num_hidden_layers=1, num_attention_heads=3, partial_rotary_factor=0.5, max_position_embeddings=128)),
    "gemma": (writing.causal, 28, dict(family="gemma", vocab=431, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=20, max_position_embeddings=128)),
    "qwen3": (writing.causal, 29, dict(family="qwen3", vocab=379, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=3, head_dim=14, max_position_embeddings=128, tie_word_embeddings=True)),
    "opt": (writing.causal, 30, dict(family="opt", vocab=373, hidden_size=24, word_embed_proj_dim=24, ffn_dim=40, num_hidden_layers=1, num_attention_heads=3, max_position_embeddings=128)),
    "m2m100-loose": (writing.seq2seq, 31, dict(family="m2m_100", vocab=311, merged=True, d_model=24, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=40, decoder_ffn_dim=36, encoder_attention_heads=6,
                                               decoder_attention_heads=6, max_position_embeddings=96)),
    "mt5": (writing.seq2seq, 32, dict(family="mt5", vocab=257, merged=True, d_model=20, d_kv=14, d_ff=44, num_layers=1, num_decoder_layers=1, num_heads=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "qwen2-int8": (writing.causal, 33, dict(family="qwen2", vocab=353, quantize=True, hidden_size=24, intermediate_size=40, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=128)),
    "bert-cls": (embedding.sentence, 41, dict(family="bert", vocab=301, ways=["cls"], length=29, hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=50, max_position_embeddings=40)),
    "bert-int8": (embedding.sentence, 42, dict(family="bert", vocab=289, ways=["mean"], length=32, quantize=True, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=40, max_position_embeddings=32)),
    "distilbert": (embedding.sentence, 43, dict(family="distilbert", vocab=297, ways=["max", "mean"], length=33, normalize=False, dim=30, n_layers=1, n_heads=6, hidden_dim=44, max_position_embeddings=48)),
    "mpnet": (embedding.sentence, 44, dict(family="mpnet", vocab=293, ways=["weightedmean"], length=40, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=40, max_position_embeddings=42)),
    "roberta": (embedding.sentence, 45, dict(family="roberta", vocab=371, ways=["mean_sqrt_len_tokens"], hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=40, max_position_embeddings=34, type_vocab_size=1)),
    "xlm-roberta": (embedding.sentence, 46, dict(family="xlm-roberta", vocab=277, ways=["mean"], hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=40, max_position_embeddings=37, type_vocab_size=1)),
    "qwen2-last": (embedding.sentence, 47, dict(family="qwen2", vocab=367, ways=["lasttoken"], length=30, hidden_size=24, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, intermediate_size=40, max_position_embeddings=64)),
    "clip-odd": (embedding.towers, 51, dict(family="clip", vocab=590, length=23, image=30, patch=6, width=30)),
    "siglip": (embedding.towers, 52, dict(family="siglip", vocab=233, length=19, image=28, patch=7, width=36)),
    "dual-encoder": (embedding.towers, 53, dict(family="dual", vocab=283, length=27, image=24, patch=6, width=30)),
    "lcm-guided": (drawing.draw, 65, dict(vocab=590, words=18, consistent=True, guidance_width=26, blocks=(8, 16), scheduler={"original_inference_steps": 25}, cases=[
        dict(prompt="snow on the hills", steps=4, guidance=1.0, height=16, width=16), dict(prompt="a dog", steps=3, guidance=6.5, height=24, width=16)])),
    "sd-euler": (drawing.draw, 61, dict(vocab=590, words=16, scheduler={"class": "EulerDiscreteScheduler", "steps_offset": 1, "timestep_spacing": "leading"}, cases=[
        dict(prompt="a red apple", steps=3, guidance=7.5, height=32, width=32), dict(prompt="the river at night", negative="snow, a dog", steps=5, guidance=4.0, height=24, width=40),
        dict(prompt="Ein Vogel", negative="x", steps=4, guidance=1.0, height=32, width=32)])),
    "sd-velocity": (drawing.draw, 62, dict(vocab=590, words=17, narrow=True, factor=0.31, blocks=(8, 16), unet=(16, 16, 32), scheduler={"class": "EulerDiscreteScheduler", "prediction_type": "v_prediction", "use_karras_sigmas": True}, cases=[
        dict(prompt="two children", negative="rain", steps=4, guidance=6.0, height=16, width=16), dict(prompt="", steps=2, guidance=3.0, height=24, width=16)])),
    "sd-ancestral": (drawing.draw, 63, dict(vocab=590, words=19, blocks=(16,), text_layers=3, scheduler={"class": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}, cases=[
        dict(prompt="le chat", steps=4, guidance=5.0, height=8, width=8), dict(prompt="el río", negative="nada", steps=3, guidance=2.0, height=16, width=8)])),
    "lcm-plain": (drawing.draw, 64, dict(vocab=590, words=18, blocks=(8, 8, 8, 16), scheduler={"class": "LCMScheduler", "original_inference_steps": 40}, cases=[
        dict(prompt="snow on the hills", steps=4, guidance=1.0, height=64, width=64), dict(prompt="a dog", steps=2, guidance=2.0, height=64, width=32)])),
    # These are kept in worker/model/testdata/bundles.
    "small-gpt2-no-positions": (writing.causal, 71, dict(family="gpt2", vocab=300, positions=False, inputs=2, n_positions=64, n_embd=18, n_layer=1, n_head=3)),
    "small-marian-two-files": (writing.seq2seq, 72, dict(family="marian", vocab=90, plain=True, inputs=2, d_model=18, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=20, decoder_ffn_dim=22, encoder_attention_heads=3,
                                                         decoder_attention_heads=3, max_position_embeddings=64, scale_embedding=True, static_position_embeddings=True)),
    "small-bert-int8": (embedding.sentence, 73, dict(family="bert", vocab=201, ways=["cls", "max"], quantize=True, hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20, max_position_embeddings=36)),
    "small-siglip": (embedding.towers, 74, dict(family="siglip", vocab=120, length=18, image=20, patch=10, width=18, plain=True)),
    "small-roberta": (embedding.sentence, 76, dict(family="roberta", vocab=280, ways=["mean"], hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20, max_position_embeddings=34, type_vocab_size=1)),
    "small-sd-euler": (drawing.draw, 75, dict(vocab=540, words=16, blocks=(4, 4, 4), unet=(4, 4), groups=2, sample=4, cross=12, short=True, scheduler={"class": "EulerDiscreteScheduler", "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
                                              cases=[dict(prompt="a red apple", negative="the river at night", steps=3, guidance=5.0, height=16, width=24)])),
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", type=Path)
    p.add_argument("--only", default="")
    a = p.parse_args()
    torch.set_num_threads(1)
    for name, (make, seed, settings) in BUNDLES.items():
        if a.only and name not in a.only.split(","):
            continue
        out = a.out / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            make(out, seed, **settings)
        except Exception:
            traceback.print_exc()
            print(f"{name}: FAILED", flush=True)
            continue
        ref = json.loads((out / "reference.json").read_text())
        size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        print(f"{name}: {ref['kind']}, {len(ref.get('cases', [])) + len(ref.get('texts', []))} cases, {ref.get('dropped', 0)} dropped, {size // 1000} kB", flush=True)


if __name__ == "__main__":
    main()
