"""What all kinds of bundles need: weights that vary, files in their places, the reference."""
import json
import shutil
from pathlib import Path

import torch
import transformers

import corpus


def loud(model, spread=1.5):
    """Random weights so wide that outputs depend on the input."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name.lower() or "position" in name:
                continue
            if any(k in name for k in ("embed", "shared", "wte", "lm_head")):
                p.normal_(0, 0.4)
            elif p.ndim >= 2:
                p.normal_(0, spread / p.shape[-1] ** 0.5)
            else:
                p.normal_(0, 0.05)
    return model.eval()


def warm(model, batch, steps=60, lr=4e-3):
    """A short training: outputs end by themselves sometimes and are no mere loops."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    model.train()
    for i in range(steps):
        model(**batch(i)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def tokens_of(tok, extra=()):
    return [{"input": t, "ids": tok(t).input_ids, "decoded": tok.decode(tok(t).input_ids, skip_special_tokens=True)} for t in [*corpus.HARD, *extra]]


def keep(out: Path, files):
    """Moves the exported models into onnx/ and drops the other files of the export."""
    (out / "onnx").mkdir(exist_ok=True)
    for source, name in files.items():
        shutil.move(out / "export" / source, out / "onnx" / name)
    shutil.rmtree(out / "export")
    for weights in ("model.safetensors", "pytorch_model.bin"):
        (out / weights).unlink(missing_ok=True)


def shorten(path: Path):
    """Gives the nodes and values inside of a graph names of a few letters, which saves half of a small file."""
    import onnx
    m = onnx.load(str(path))
    outer = {p.name for p in [*m.graph.input, *m.graph.output]} | {""}
    names = {}
    rename = lambda n: n if n in outer else names.setdefault(n, f"v{len(names)}")
    for i, node in enumerate(m.graph.node):
        node.name = f"n{i}"
        node.doc_string = ""
        node.input[:] = [rename(n) for n in node.input]
        node.output[:] = [rename(n) for n in node.output]
    for w in m.graph.initializer:
        w.name = rename(w.name)
    del m.graph.value_info[:]
    onnx.save(m, str(path))


def write(out: Path, kind, **reference):
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    (out / "reference.json").write_text(json.dumps({"versions": versions, "kind": kind, **reference}, ensure_ascii=False))
