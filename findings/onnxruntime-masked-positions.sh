#!/usr/bin/env bash
# Masked positions in front of a cache change the last bits of ONNX Runtime's attention.
#
# Expected: A key and value position with the mask -3.4e38 has the weight 0 exactly and
#           its value is 0, so that any number of them changes nothing.
# Happens:  Attention written as MatMul, Add, Softmax, MatMul with one query row
#           behaves as if it summed in groups of four positions. Masked positions in FRONT shift the groups: the last
#           bits of the output change unless their number is a multiple of four. BEHIND they
#           fill up the last group: there only lengths that are 3 more than a multiple
#           of four change, however many are added. Where the keys are stored as
#           [length, width] and the graph transposes them, the scores depend on the
#           padding as well, and more lengths change behind.
# Matters:  Sequences of different lengths in one batch are padded to the longest. A
#           decoder whose answer should be the same bits alone and in a batch has to pad
#           in front in multiples of 8 (of 4 at least), or compare with a tolerance.
#
# It depends on the processor's kernels: where nothing differs, the script says so and
# exits with 0. It fails only where multiples of 8 in front change something.
#
# Versions: onnxruntime 1.32.0 (CPU, one thread), onnx 1.23.2, numpy 2.4.6. Seen on
# 2026-11-28 on an x86-64 processor with AVX-512.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper

WIDTH, LENGTHS, ADDED = 64, range(5, 101), range(1, 33)
print("onnxruntime", onnxruntime.__version__)


def session(transposes):
    def value(name, dims):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    nodes = [helper.make_node("Transpose", ["keys"], ["k"], perm=[1, 0])] if transposes else []
    nodes += [helper.make_node("MatMul", ["query", "k" if transposes else "keys"], ["scores"]),
              helper.make_node("Add", ["scores", "mask"], ["masked"]),
              helper.make_node("Softmax", ["masked"], ["weights"], axis=-1),
              helper.make_node("MatMul", ["weights", "values"], ["output"])]
    keys = ["length", WIDTH] if transposes else [WIDTH, "length"]
    graph = helper.make_graph(nodes, "attention", [value("query", [1, WIDTH]), value("keys", keys),
                              value("mask", [1, "length"]), value("values", ["length", WIDTH])], [value("output", [1, WIDTH])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def changed(transposes):
    """Gives, for each number of added positions, the lengths whose output changes, in front and behind."""
    run = session(transposes).run
    rng = np.random.default_rng(0)
    front, behind = ({n: [] for n in ADDED} for _ in range(2))

    def attend(query, keys, mask, values):
        keys = keys if transposes else np.ascontiguousarray(keys.T)
        return run(None, {"query": query, "keys": keys, "mask": mask, "values": values})[0]

    for length in LENGTHS:
        query = (rng.standard_normal((1, WIDTH)) / 8).astype(np.float32)
        keys, values = rng.standard_normal((2, length, WIDTH)).astype(np.float32)
        seen = np.zeros((1, length), np.float32)
        plain = attend(query, keys, seen, values)
        for n in ADDED:
            none, hidden = np.zeros((n, WIDTH), np.float32), np.full((1, n), -3.4e38, np.float32)
            if (attend(query, np.vstack([none, keys]), np.hstack([hidden, seen]), np.vstack([none, values])) != plain).any():
                front[n].append(length)
            if (attend(query, np.vstack([keys, none]), np.hstack([seen, hidden]), np.vstack([values, none])) != plain).any():
                behind[n].append(length)
    return front, behind


any_change = False
for transposes in (False, True):
    front, behind = changed(transposes)
    print("\nkeys transposed in the graph:" if transposes else "\nkeys stored as [width, length]:")
    print(f"in front, added: lengths changed of {len(LENGTHS)}:", " ".join(f"{n}:{len(front[n])}" for n in ADDED))
    print(f"behind,   added: lengths changed of {len(LENGTHS)}:", " ".join(f"{n}:{len(behind[n])}" for n in ADDED))
    print("lengths changed by one position behind:", behind[1])
    any_change |= any(front.values())
    if any(front[n] for n in ADDED if n % 8 == 0):
        sys.exit("Multiples of 8 in front change the output here: not as described.")
if not any_change:
    print("It does not show on this processor: no masked position changed a bit.")
PY
