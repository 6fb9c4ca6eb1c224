#!/usr/bin/env bash
# transformers takes a picture of three rows, or of one, for one with its channels first.
#
# Expected: A PIL picture says what its rows and colours are, so any size works.
# Happens:  The numpy image processors turn it into an array and then guess: a first
#           dimension of 1 or 3 means channels first. Three rows are silently taken for
#           colours and the result is other pixels (a warning is logged). One row fails
#           with "mean must have 1 elements".
# Matters:  A server that takes pictures of any size gets an obscure error or a wrong
#           embedding for thin strips. Passing input_data_format="channels_last" cures it.
#
# Without torch. Versions: transformers 4.57.6, Pillow 13.0.0, numpy 2.4.6. Seen on
# 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check transformers==4.57.6 pillow==13.0.0 numpy==2.4.6

TRANSFORMERS_VERBOSITY=error "$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import transformers
from PIL import Image

print("transformers", transformers.__version__)
process = transformers.CLIPImageProcessor(size={"shortest_edge": 4}, crop_size={"height": 4, "width": 4})


def pixels(picture, **options):
    try:
        return process(picture, return_tensors="np", **options).pixel_values
    except ValueError as error:
        return error


for width, height in (6, 6), (6, 2), (6, 3), (40, 3), (6, 1):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))
    guessed, told = pixels(picture), pixels(picture, input_data_format="channels_last")
    print(f"{width} wide, {height} high:", end=" ")
    if isinstance(told, ValueError):
        sys.exit(f"fails even when told: {told}: not as described.")
    if isinstance(guessed, ValueError):
        print("guessed fails:", guessed)
        wrong = True
    else:
        apart = np.abs(guessed - told).max()
        print(f"guessed and told are at most {apart:.2f} apart")
        wrong = apart > 0
    if wrong != (height in (1, 3)):
        sys.exit("That height is treated otherwise than before: not as described any more.")
PY
