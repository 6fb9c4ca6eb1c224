#!/usr/bin/env bash
# diffusers' "trailing" timesteps are sometimes one more than asked for, and the last is -1.
#
# Expected: set_timesteps(n) gives n timesteps from 999 down, none below 0.
# Happens:  The trailing spacing is numpy.arange(1000, 0, -1000/n), rounded, less 1.
#           numpy rounds the count up, and 1000/(1000/61) is a hair above 61 in floating
#           point: 61 steps give 62 timesteps, and the last is -1. 62 of the numbers from
#           1 to 1000 give one too many (61, 103, 121, 122, 201, ...).
# Matters:  A loop over scheduler.timesteps runs the model once more than planned, at a
#           time it never learned; a progress bar passes 100%; an own scheduler that
#           counts with integers differs for these numbers only, which tests with 4,
#           20 or 50 steps never find. (LCM builds its timesteps otherwise.)
#
# diffusers' schedulers only run with torch, which is large. This script instead takes
# the very expression out of the installed diffusers' Euler scheduler and evaluates it
# with numpy: it needs nothing else.
#
# Versions: diffusers 0.42.1, numpy 2.4.6. Seen on 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps diffusers==0.42.1

"$work/venv/bin/python" - <<'PY'
import ast
import importlib.metadata
import pathlib
import sys
from types import SimpleNamespace

import numpy as np

print("diffusers", importlib.metadata.version("diffusers"))
installed = importlib.metadata.distribution("diffusers").locate_file("diffusers/schedulers")
folder = pathlib.Path(str(installed))


def expression(path):
    """Gives the source of the trailing timesteps in a scheduler, None where there is none."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node).startswith("np.arange(self.config.num_train_timesteps, 0, -step_ratio)"):
            return ast.unparse(node)


same = sorted(path.stem.removeprefix("scheduling_") for path in folder.glob("scheduling_*.py") if expression(path))
print("schedulers that compute it so:", ", ".join(same))
source = expression(folder / "scheduling_euler_discrete.py")
if source is None:
    sys.exit("The Euler scheduler computes its timesteps otherwise: not as described any more.")
print("the Euler scheduler's expression:", source)


def timesteps(n):
    config = SimpleNamespace(num_train_timesteps=1000)
    return eval(source, {"np": np, "self": SimpleNamespace(config=config), "step_ratio": 1000 / n})


print("the last two values for 61 steps before they are rounded:", np.arange(1000, 0, -1000 / 61)[-2:].tolist())
last = timesteps(61) - 1
print(f"61 steps: {len(last)} timesteps, the last three {last[-3:].tolist()}")
more = [n for n in range(1, 1001) if len(timesteps(n)) != n]
print(f"{len(more)} of the numbers from 1 to 1000 give another number of timesteps: {more}")
if len(last) != 62 or last[-1] != -1:
    sys.exit("61 steps do not give 62 timesteps that end in -1: not as described any more.")
PY
