"""Writes worker/pipeline/write/testdata/stop_strings.json: when transformers' StopStringCriteria ends an output.

    python stop_strings.py SHARED/models ../../worker/pipeline/write/testdata/stop_strings.json

A case is the tokens written so far, strings to stop at, and whether the newest token completes one of them.
"""
import json, random, sys
from pathlib import Path

import torch, transformers
from transformers.generation.stopping_criteria import StopStringCriteria

models, out = Path(sys.argv[1]), Path(sys.argv[2])
rng = random.Random(5)
answer = {"versions": {"transformers": transformers.__version__}, "bundles": {}}
for name in ("caption-mini", "random/gpt2-random", "random/qwen2-random"):
    tok = transformers.AutoTokenizer.from_pretrained(models / name)
    texts = [t["input"] for t in json.loads((models / name / "reference.json").read_text())["tokens"] if len(t["input"]) < 200]
    cases = []
    while len(cases) < 200:
        ids = tok(rng.choice(texts)).input_ids
        if len(ids) < 2:
            continue
        ids = ids[:rng.randrange(1, len(ids) + 1)]
        text = tok.decode(ids)
        stops = []
        for _ in range(rng.choice([1, 1, 2])):
            length = rng.randrange(1, 9)
            end = max(1, len(text) - rng.choice([0, 0, 0, 1, 2, 5]))
            stop = text[max(0, end - length):end] + rng.choice(["", "", "", "x"])
            stops.append(stop)
        if "\ufffd" in "".join(stops) or not all(stops):
            continue
        try:
            done = bool(StopStringCriteria(tok, stops)(torch.tensor([ids]), None)[0])
        except ValueError:  # it refuses strings that no token has a part of
            continue
        if not done and any(s in text for s in stops) and any("\ufffd" in tok.decode([i]) for i in ids):
            continue  # it looks at tokens one by one, and finds no character whose bytes lie in several
        cases.append({"ids": ids, "stops": stops, "done": done})
    answer["bundles"][name] = cases
    print(name, len(cases), sum(c["done"] for c in cases))
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).replace('{"ids"', '\n{"ids"') + "\n")
