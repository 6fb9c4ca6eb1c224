#!/usr/bin/env bash
# Pillow 13.0.0 resizes some pictures in another order than 12.3.0, and the pixels show it.
#
# Expected: Image.resize with the same filter gives the same pixels in both.
# Happens:  12.3.0 always makes the rows narrower first. 13.0.0 takes the columns
#           first where the height loses more than twice what the width loses. The
#           first pass rounds to 8 bits, so bicubic pixels of a tall picture differ by
#           up to a dozen levels or so. Wide and square pictures stay as they were.
# Matters:  Most recipes for vision models shrink with Pillow. An upgrade alone changes
#           what the model sees in portrait photos, so embeddings kept from before are
#           not quite those made after, and golden files break for tall pictures only.
#
# Versions: Pillow 12.3.0 and 13.0.0, numpy 2.4.6. Seen on 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/resize.py" <<'PY'
import sys

import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
SIZES = {"tall": ((300, 900), (224, 672)), "tall to square": ((200, 600), (224, 224)),
         "square": ((300, 300), (150, 140)), "wide": ((600, 200), (200, 150))}
results = {}
for name, ((width, height), size) in SIZES.items():
    picture = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    results[name] = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
np.savez(sys.argv[1], **results)
PY

for version in 12.3.0 13.0.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install -q --disable-pip-version-check "pillow==$version" numpy==2.4.6
  "$work/$version/bin/python" "$work/resize.py" "$work/$version.npz"
done

"$work/13.0.0/bin/python" - "$work/12.3.0.npz" "$work/13.0.0.npz" <<'PY'
import sys

import numpy as np

old, new = np.load(sys.argv[1]), np.load(sys.argv[2])
furthest = {}
for name in old.files:
    apart = np.abs(old[name].astype(int) - new[name].astype(int))
    furthest[name] = apart.max()
    print(f"{name}: at most {apart.max()} of 255 levels apart, {np.mean(apart > 0):.1%} of the values differ")
if not (furthest["tall"] and furthest["tall to square"]):
    sys.exit("Tall pictures come out the same from both versions: not as described any more.")
if furthest["square"] or furthest["wide"]:
    sys.exit("Pictures that are not tall differ too: not as described any more.")
PY
