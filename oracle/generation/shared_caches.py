"""Writes worker/pipeline/decoder/testdata/shared-caches: a language model whose attention is
GroupQueryAttention, as ONNX Runtime's model builder and its optimizer make it, with random weights.

reference.json holds greedy outputs of ONNX Runtime in Python, where every step gets caches of exactly
its length and writes new ones: nothing is shared there.
"""
import json, sys
from pathlib import Path

import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, WIDTH, HEADS, KEYS, HEAD, LAYERS, POSITIONS = 160, 48, 6, 2, 16, 2, 192
rng = np.random.default_rng(11)
weights, nodes = [], []


def weight(name, *shape, scale=None):
    values = rng.standard_normal(shape).astype(np.float32) * (scale or 1.3 / shape[0] ** 0.5)
    weights.append(numpy_helper.from_array(values, name))
    return name


def node(kind, inputs, outputs, domain="", **attributes):
    nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
    return outputs[0]


def constant(name, values):
    weights.append(numpy_helper.from_array(np.asarray(values), name))
    return name


angles = np.outer(np.arange(POSITIONS), 1 / 10000 ** (np.arange(0, HEAD, 2) / HEAD)).astype(np.float32)
constant("cos", np.cos(angles).astype(np.float32)), constant("sin", np.sin(angles).astype(np.float32))
# seqlens_k and total_sequence_length as the model builder derives them from the mask.
node("ReduceSum", ["attention_mask", constant("axis", np.array([1], np.int64))], ["sum"], keepdims=0)
node("Sub", ["sum", constant("one", np.array(1, np.int64))], ["last"])
node("Cast", ["last"], ["seqlens"], to=TensorProto.INT32)
node("Shape", ["attention_mask"], ["shape"])
node("Gather", ["shape", constant("second", np.array(1, np.int64))], ["total64"])
node("Cast", ["total64"], ["total"], to=TensorProto.INT32)
x = node("Gather", [weight("embedding", VOCABULARY, WIDTH, scale=0.6), "input_ids"], ["x"])
inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
          helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"])]
outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", VOCABULARY])]
for l in range(LAYERS):
    norm = node("LayerNormalization", [x, constant(f"n{l}", np.ones(WIDTH, np.float32))], [f"norm{l}"], axis=-1)
    q, k, v = (node("MatMul", [norm, weight(f"w{n}{l}", WIDTH, h * HEAD)], [f"{n}{l}"]) for n, h in (("q", HEADS), ("k", KEYS), ("v", KEYS)))
    node("GroupQueryAttention", [q, k, v, f"past_key_values.{l}.key", f"past_key_values.{l}.value", "seqlens", "total", "cos", "sin"],
         [f"a{l}", f"present.{l}.key", f"present.{l}.value"], domain="com.microsoft", num_heads=HEADS, kv_num_heads=KEYS, do_rotary=1)
    out = node("MatMul", [f"a{l}", weight(f"wo{l}", HEADS * HEAD, WIDTH)], [f"o{l}"])
    x = node("Add", [x, out], [f"x{l}"])
    for kind, io in (("past_key_values", inputs), ("present", outputs)):
        for part in ("key", "value"):
            length = "past_sequence_length" if io is inputs else "total_sequence_length"
            io.append(helper.make_tensor_value_info(f"{kind}.{l}.{part}", TensorProto.FLOAT, ["batch_size", KEYS, length, HEAD]))
node("MatMul", [x, weight("head", WIDTH, VOCABULARY)], ["logits"])
graph = helper.make_graph(nodes, "shared-caches", inputs, outputs, weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)], ir_version=8)
out = Path(sys.argv[1])
(out / "onnx").mkdir(parents=True, exist_ok=True)
onnx.save(model, out / "onnx/model.onnx")
(out / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_attention_heads": HEADS, "num_key_value_heads": KEYS,
                                             "head_dim": HEAD, "num_hidden_layers": LAYERS, "max_position_embeddings": POSITIONS, "eos_token_id": 0}) + "\n")
(out / "generation_config.json").write_text(json.dumps({"eos_token_id": 0}) + "\n")
session = onnxruntime.InferenceSession(str(out / "onnx/model.onnx"))


def greedy(prompt, new):
    past = {f"past_key_values.{l}.{p}": np.zeros((1, KEYS, 0, HEAD), np.float32) for l in range(LAYERS) for p in ("key", "value")}
    ids, feed, margin = list(prompt), list(prompt), 9.0
    for _ in range(new):
        result = session.run(None, {"input_ids": np.array([feed], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64), **past})
        top = np.sort(result[0][0, -1])
        margin = min(margin, float(top[-1] - top[-2]))
        ids.append(int(result[0][0, -1].argmax()))
        feed = ids[-1:]
        past = dict(zip(past, result[1:]))
        if ids[-1] == 0:
            break
    return ids, margin


cases = []
while len(cases) < 24:
    prompt = [int(i) for i in rng.integers(1, VOCABULARY, rng.choice([1, 3, 7, 8, 20, 33, 70]))]
    ids, margin = greedy(prompt, 40)
    if margin > 1e-3:
        cases.append({"input": "", "input_ids": prompt, "settings": {"num_beams": 1, "do_sample": False, "max_new_tokens": 40}, "output_ids": ids, "output_text": ""})
(out / "reference.json").write_text(json.dumps({"versions": {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}, "cases": cases}) + "\n")
print(len(cases), sum(len(c["output_ids"]) for c in cases))
