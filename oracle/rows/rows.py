"""Measures what ADR 0019 relies on: what changes the bits of a row in ONNX Runtime, over the shared models.

    python rows.py SHARED/models

Each line gives the greatest difference in the row's numbers; 0.0 is the same to the last bit.
"""
import sys

import numpy as np, onnxruntime

MODELS = sys.argv[1].rstrip("/") + "/"
rng = np.random.default_rng(0)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
print("onnxruntime", onnxruntime.__version__)


def session(name):
    return onnxruntime.InferenceSession(MODELS + name, options)


def text_row(s, ids, rows, length):
    """The first row's output with other rows beside it and padding behind it."""
    n = len(ids)
    x, mask = np.zeros((rows, length), np.int64), np.zeros((rows, length), np.int64)
    x[0, :n], mask[0, :n] = ids, 1
    for r in range(1, rows):
        k = rng.integers(1, length + 1)
        x[r, :k], mask[r, :k] = rng.integers(5, 900, k), 1
    feed = {"input_ids": x, "attention_mask": mask, "token_type_ids": x * 0}
    out = s.run(None, {i.name: feed[i.name] for i in s.get_inputs()})[0][0]
    return out[:n] if out.ndim == 2 else out


for name in ("random/bert-random/onnx/model.onnx", "minilm/onnx/model.onnx", "translate-mini/onnx/encoder_model.onnx", "sticker-mini/onnx/text_model.onnx"):
    s = session(name)
    by = {"rows beside it": 0.0, "padding behind it": 0.0, "two rows against more": 0.0, "padding behind two rows": 0.0}
    for n in (3, 7, 11, 13, 20, 33, 50):
        ids = rng.integers(5, 900, n)
        far = 60 if "bert-random" in name else 120
        alone, two = text_row(s, ids, 1, n), text_row(s, ids, 2, n)
        for rows in (2, 5, 32, 64):
            by["rows beside it"] = max(by["rows beside it"], float(abs(text_row(s, ids, rows, n) - alone).max()))
            by["two rows against more"] = max(by["two rows against more"], float(abs(text_row(s, ids, rows, n) - two).max()))
        for length in ((n + 7) // 8 * 8, n + 1, n + 5, far):
            by["padding behind it"] = max(by["padding behind it"], float(abs(text_row(s, ids, 1, length) - alone).max()))
            by["padding behind two rows"] = max(by["padding behind two rows"], float(abs(text_row(s, ids, 2, length) - two).max()))
    print(name, by)


class Language:
    """A causal model with concatenated caches."""

    def __init__(self, name):
        self.s = session(name)
        self.pasts = [i for i in self.s.get_inputs() if i.name.startswith("past")]

    def empty(self):
        return [np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in self.pasts]

    def run(self, ids, mask, positions, past):
        out = self.s.run(None, {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **{i.name: p for i, p in zip(self.pasts, past)}})
        return out[0], out[1:]

    def read(self, prompt, part):
        past = self.empty()
        for at in range(0, len(prompt), part):
            ids = prompt[at:at + part]
            logits, past = self.run(np.array([ids]), np.ones((1, at + len(ids)), np.int64), np.arange(at, at + len(ids))[None], past)
        return logits[0, -1], past

    def write(self, prompt, tokens, front, rows):
        """Logits of the first row behind a prompt, with masked positions in front and copies beside it."""
        n = len(prompt)
        _, past = self.read(prompt, n)
        past = [np.concatenate([np.zeros((1, p.shape[1], front, p.shape[3]), np.float32), p], 2).repeat(rows, 0) for p in past]
        mask = np.ones((rows, n + front), np.int64)
        mask[:, :front] = 0
        out = []
        for g, t in enumerate(tokens):
            mask = np.concatenate([mask, np.ones((rows, 1), np.int64)], 1)
            logits, past = self.run(np.full((rows, 1), t), mask, np.full((rows, 1), n + g), past)
            out.append(logits[0, -1])
        return np.array(out)


for name in ("caption-mini/onnx/model.onnx", "random/qwen2-random/onnx/model.onnx", "random/gpt2-random/onnx/model.onnx"):
    m = Language(name)
    for front in (0, 1, 3, 8, 16, 32, 64):
        worst = 0.0
        for n in (5, 17, 40, 90):
            prompt, tokens = list(rng.integers(5, 900, n)), list(rng.integers(5, 900, 16))
            alone = m.write(prompt, tokens, 0, 1)
            worst = max([worst] + [float(abs(m.write(prompt, tokens, front, rows) - alone).max()) for rows in (1, 2, 8, 16)])
        print(name, "masked in front:", front, worst)
    prompt = list(rng.integers(5, 900, 100))
    whole, _ = m.read(prompt, 100)
    print(name, "read in parts of", {part: float(abs(m.read(prompt, part)[0] - whole).max()) for part in (1, 16, 32, 33, 64)})
