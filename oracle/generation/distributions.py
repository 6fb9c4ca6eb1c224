"""Writes worker/pipeline/testdata/distributions.json.zst: what transformers makes of logits.

Each case is a row of logits, the tokens written so far, what the encoder read (or the prompt), and
settings in the words of generation_config.json; the answer is the probability of every token after
all processors and warpers that generate() would apply for these settings.
"""
import json, random, subprocess, sys

import torch, transformers
from transformers import GenerationConfig
from transformers.generation import GenerationMixin

VOCABULARY = 40
rng = random.Random(4)


class Model(GenerationMixin):
    config = None


def shape():
    """Settings of the kinds that generation_config.json may hold, a few at a time."""
    all_ = {
        "temperature": lambda: rng.choice([0.3, 0.7, 1.0, 1.7]), "top_k": lambda: rng.choice([0, 1, 5, 20, 100]), "top_p": lambda: rng.choice([0.05, 0.5, 0.9, 1.0]),
        "min_p": lambda: rng.choice([0.0, 0.05, 0.3]), "typical_p": lambda: rng.choice([0.1, 0.6, 0.95]), "epsilon_cutoff": lambda: rng.choice([0.01, 0.2]), "eta_cutoff": lambda: rng.choice([0.01, 0.3]),
        "repetition_penalty": lambda: rng.choice([0.8, 1.3]), "encoder_repetition_penalty": lambda: rng.choice([0.7, 1.5]), "no_repeat_ngram_size": lambda: rng.choice([1, 2, 3]),
        "encoder_no_repeat_ngram_size": lambda: rng.choice([1, 2, 3]), "bad_words_ids": lambda: [[rng.randrange(VOCABULARY)], [3, 7], [3, 3, 9]], "min_length": lambda: rng.choice([3, 9]),
        "min_new_tokens": lambda: rng.choice([2, 8]), "exponential_decay_length_penalty": lambda: [rng.choice([0, 2]), 1.3], "suppress_tokens": lambda: [1, 2], "begin_suppress_tokens": lambda: [4, 0],
        "sequence_bias": lambda: [[[5], 2.5], [[3, 8], -3.0], [[3, 7, 6], 4.0]], "renormalize_logits": lambda: True, "forced_bos_token_id": lambda: 11, "forced_eos_token_id": lambda: [0],
    }
    names = rng.sample(sorted(all_), rng.choice([1, 1, 2, 3, 4]))
    s = {n: all_[n]() for n in names}
    s["do_sample"] = rng.random() < 0.8
    s.setdefault("top_k", 0)
    return s


def case():
    settings = shape()
    origin = rng.choice([1, 1, 4])
    written = [rng.choice([3, 7, 8, 9, rng.randrange(VOCABULARY)]) for _ in range(rng.choice([origin, origin, origin + 1, origin + 4, origin + 9]))]
    source = written[:origin] if origin > 1 else [rng.randrange(VOCABULARY) for _ in range(6)] + [3, 7, 9]
    logits = torch.tensor([round(rng.gauss(0, 2), 4) for _ in range(VOCABULARY)])[None]
    limit = rng.choice([len(written) + 1, 30])
    config = GenerationConfig(**{**settings, "eos_token_id": [0, 6], "max_length": limit})
    config._eos_token_tensor = torch.tensor([0, 6])
    made = Model()._get_logits_processor(config, input_ids_seq_length=origin, encoder_input_ids=torch.tensor([source]), device="cpu")
    try:
        scores = made(torch.tensor([written]), logits.clone())
    except ValueError:  # Categorical refuses rows where nothing is left
        return None
    probabilities = torch.softmax(scores.double(), -1)[0]
    if probabilities.isnan().any():
        return None
    return {"logits": logits[0].tolist(), "written": written, "origin": origin, "source": source, "limit": limit, "settings": settings,
            "probabilities": {i: round(p, 7) for i, p in enumerate(probabilities.tolist()) if p > 0}}


cases = []
while len(cases) < 1500:
    c = case()
    if c:
        c["logits"] = [round(x, 4) for x in c["logits"]]
        cases.append(c)
out = json.dumps({"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "cases": cases}, separators=(",", ":"))
subprocess.run(["zstd", "-q", "-19", "-f", "-o", sys.argv[1]], input=out.encode(), check=True)
