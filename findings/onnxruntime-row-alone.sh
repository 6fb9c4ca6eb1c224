#!/usr/bin/env bash
# ONNX Runtime sums the tokens of one row alone in another order than those of a batch.
#
# Expected: A row's fp32 result on the CPU does not depend on the rows beside it. For
#           matrix products it doesn't: they are bit-equal in batches of 1 to 64.
# Happens:  ReduceSum over the tokens axis of [batch, tokens, width] (the pooling inside
#           many text towers and sentence embedders) gives other last digits where
#           batch is 1. In batches of two and more the row is always the same. Alone
#           it equals adding the tokens one after the other.
# Matters:  A server that batches requests answers the same text with other bits
#           depending on who asked beside it. A cache or a test that compares
#           embeddings bit by bit then fails at random. To always run two rows, or to
#           compare with a tolerance, cures it.
#
# One thread. Another processor may add up in yet another order.
#
# Versions: onnxruntime 1.32.0 (CPU), onnx 1.23.2, numpy 2.4.6. Seen on 2026-11-28 on an
# x86-64 processor with AVX-512.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

WIDTH = 384
print("onnxruntime", onnxruntime.__version__)


def session(node, shape, constant):
    def value(name, dims):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    graph = helper.make_graph([node], "graph", [value("x", shape)], [value("y", ["batch", WIDTH])], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


rng = np.random.default_rng(0)
weights = numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH)).astype(np.float32), "w")
product = session(helper.make_node("MatMul", ["x", "w"], ["y"]), ["batch", WIDTH], weights)
x = rng.standard_normal((64, WIDTH)).astype(np.float32)
alone = product.run(None, {"x": x[:1]})[0][0]
other = [n for n in range(2, 65) if (product.run(None, {"x": x[:n]})[0][0] != alone).any()]
print("MatMul: batches of 2 to 64 in which the first row differs from the row alone:", other)
if other:
    sys.exit("Matrix products depend on the batch here: not as described.")

axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
pool = session(helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0), ["batch", "tokens", WIDTH], axes)
for tokens in range(11, 25):
    x = rng.standard_normal((4, tokens, WIDTH)).astype(np.float32)
    alone, two, three, four = (pool.run(None, {"x": x[:n]})[0][0] for n in (1, 2, 3, 4))
    in_turn = x[0, 0].copy()
    for token in x[0, 1:]:
        in_turn += token
    print(f"ReduceSum of {tokens} tokens: {np.sum(alone != two)} of {WIDTH} sums differ between the row alone and in a"
          f" batch of two, by at most {np.abs(alone - two).max():.1e}; alone as one after the other: {(alone == in_turn).all()}")
    if (two != three).any() or (two != four).any():
        sys.exit("Batches of two, three and four differ from each other: not as described.")
    if (alone == two).all():
        sys.exit("The row alone has the same bits as in a batch: not as described any more.")
PY
