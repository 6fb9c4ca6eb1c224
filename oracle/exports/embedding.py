"""Bundles of models that embed: sentence embedders and the towers of picture models."""
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import sentencepiece as spm
import torch
import transformers
from PIL import Image
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export
from tokenizers import BertWordPieceTokenizer, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

import corpus
from bundle import keep, loud, tokens_of, write
from writing import byte_level, sentencepiece

POOLING = {
    "cls": lambda h: h[0], "max": lambda h: h.max(0).values, "mean": lambda h: h.mean(0), "mean_sqrt_len_tokens": lambda h: h.sum(0) / len(h) ** 0.5,
    "weightedmean": lambda h: (h * torch.arange(1, len(h) + 1)[:, None]).sum(0) / torch.arange(1, len(h) + 1).sum(), "lasttoken": lambda h: h[-1],
}
KEYS = {"cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens", "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
        "weightedmean": "pooling_mode_weightedmean_tokens", "lasttoken": "pooling_mode_lasttoken"}


def wordpiece(seed, vocab, cls, **more):
    wp = BertWordPieceTokenizer(lowercase=True)
    wp.train_from_iterator(corpus.sentences(seed), vocab_size=vocab, show_progress=False)
    tmp = tempfile.mkdtemp()
    wp.save_model(tmp)
    return cls(vocab_file=f"{tmp}/vocab.txt", **more)


def mpnet_tokenizer(seed, vocab):
    wp = BertWordPieceTokenizer(lowercase=True)
    wp.train_from_iterator(corpus.sentences(seed), vocab_size=vocab, show_progress=False, special_tokens=["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    tmp = tempfile.mkdtemp()
    wp.save_model(tmp)
    return transformers.MPNetTokenizerFast(vocab_file=f"{tmp}/vocab.txt", model_max_length=40)


def sentence(out, seed, family, vocab, ways, length=None, normalize=True, quantize=False, **size):
    """A bundle in the layout of sentence-transformers; length None leaves it to the model's positions."""
    torch.manual_seed(seed)
    limit = {} if length is None else {"model_max_length": length}
    if family == "mpnet":
        tok = mpnet_tokenizer(seed, vocab)
    elif family in ("bert", "distilbert"):
        tok = wordpiece(seed, vocab, transformers.BertTokenizerFast if family == "bert" else transformers.DistilBertTokenizerFast, **limit)
    elif family == "xlm-roberta":
        tok = transformers.XLMRobertaTokenizerFast(vocab_file=sentencepiece(corpus.sentences(seed), vocab, "unigram"), **limit)
    else:
        tok = byte_level(corpus.sentences(seed), vocab, transformers.RobertaTokenizerFast if family == "roberta" else transformers.Qwen2TokenizerFast,
                         ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if family == "roberta" else ["<|endoftext|>"], **limit)
    config = {"bert": transformers.BertConfig, "distilbert": transformers.DistilBertConfig, "mpnet": transformers.MPNetConfig, "roberta": transformers.RobertaConfig,
              "xlm-roberta": transformers.XLMRobertaConfig, "qwen2": transformers.Qwen2Config}[family]
    m = loud(transformers.AutoModel.from_config(config(vocab_size=len(tok), pad_token_id=tok.pad_token_id, **size)))
    m.save_pretrained(out)
    tok.save_pretrained(out)
    (out / "1_Pooling").mkdir()
    (out / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": m.config.hidden_size if family != "distilbert" else m.config.dim, **{k: w in ways for w, k in KEYS.items()}}))
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + ([("2_Normalize", "Normalize")] if normalize else [])
    (out / "modules.json").write_text(json.dumps([{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{t}"} for i, (p, t) in enumerate(modules)]))
    main_export(str(out), output=str(out / "export"), task="feature-extraction", library_name="transformers")
    if quantize:
        quantize_dynamic(str(out / "export/model.onnx"), str(out / "export/model_quantized.onnx"), weight_type=QuantType.QUInt8)
    keep(out, {"model_quantized.onnx": "model_quantized.onnx"} if quantize else {"model.onnx": "model.onnx"})
    session = onnxruntime.InferenceSession(str(next((out / "onnx").iterdir())))
    # What RoBERTa and MPNet keep in front of the positions of a text.
    least = m.config.max_position_embeddings - (tok.pad_token_id + 1 if family in ("roberta", "xlm-roberta") else 2 if family == "mpnet" else 0)
    cases, dropped = [], 0
    for text in corpus.HARD + corpus.sentences(seed + 1, 6) + [" ".join(corpus.sentences(seed + 2, 30))]:
        enc = tok(text, return_tensors="pt", truncation=True, max_length=min(least, length or least))
        with torch.no_grad():
            states = m(**enc).last_hidden_state[0]
        names = {i.name for i in session.get_inputs()}
        feed = {k: v.numpy() for k, v in enc.items() if k in names}
        if "position_ids" in names:
            feed["position_ids"] = np.arange(enc.input_ids.shape[1])[None]
        given = torch.tensor(session.run(["last_hidden_state"], feed)[0][0])
        if quantize:
            states = given  # the whole numbers are the reference then
        elif not torch.allclose(states, given, atol=1e-3):
            dropped += 1
            continue
        vector = torch.cat([POOLING[w](states) for w in KEYS if w in ways])
        cases.append({"input": text, "input_ids": enc["input_ids"][0].tolist(), "embedding": (vector / vector.norm() if normalize else vector).tolist()})
    write(out, f"sentence embedding, {family}", cases=cases, dropped=dropped, tokens=tokens_of(tok, corpus.sentences(seed + 3, 6)))


def clip_tokenizer(seed, vocab, length):
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(corpus.sentences(seed), trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False))
    model = json.loads(t.to_str())["model"]
    ids = dict(model["vocab"])
    for token in [c + "</w>" for c in sorted(alphabet)] + ["<|startoftext|>", "<|endoftext|>"]:
        ids.setdefault(token, len(ids))
    tmp = Path(tempfile.mkdtemp())
    (tmp / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False))
    (tmp / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(x) for x in model["merges"]) + "\n")
    return transformers.CLIPTokenizerFast(str(tmp / "vocab.json"), str(tmp / "merges.txt"), model_max_length=length)


class Pick(torch.nn.Module):
    """One output of a model, for a graph with that alone."""
    def __init__(self, inner, names, result):
        super().__init__()
        self.inner, self.names, self.result = inner, names, result

    def forward(self, *values):
        return getattr(self.inner(**dict(zip(self.names, values))), self.result)


def export(model, names, values, result, path):
    axes = {n: {0: "batch", 1: "sequence"} if v.ndim == 2 else {0: "batch"} for n, v in zip(names, values)}
    torch.onnx.export(Pick(model, names, result).eval(), tuple(values), str(path), input_names=names, output_names=[result], dynamic_axes={**axes, result: {0: "batch"}}, opset_version=17, dynamo=False)


def pictures(out, seed):
    rng = np.random.default_rng(seed)
    (out / "pictures").mkdir()
    for name, (h, w, c) in {"wide.png": (41, 97, 3), "tall-alpha.png": (120, 37, 4), "grey.png": (19, 23, 1)}.items():
        levels = np.kron(rng.random((5, 7, c)), np.ones((h // 5 + 1, w // 7 + 1, 1)))[:h, :w] * 255
        Image.fromarray(levels.astype(np.uint8).squeeze()).save(out / "pictures" / name)
    return sorted((out / "pictures").iterdir())


def towers(out, seed, family, vocab, length, image, patch, width, plain=False):
    """CLIP, SigLIP, or a BERT and a ViT beside each other, each tower a graph."""
    torch.manual_seed(seed)
    out.joinpath("onnx").mkdir()
    if family == "clip":
        tok = clip_tokenizer(seed, vocab, length)
        proc = transformers.CLIPImageProcessor(size={"shortest_edge": image + 4}, crop_size={"height": image, "width": image})
        text = dict(vocab_size=len(tok), hidden_size=width, intermediate_size=width * 2, num_hidden_layers=1, num_attention_heads=3, max_position_embeddings=length, bos_token_id=tok.bos_token_id, eos_token_id=tok.eos_token_id, projection_dim=width - 5)
        vision = dict(projection_dim=width - 5, hidden_size=width + 6, intermediate_size=width, num_hidden_layers=3, num_attention_heads=2, image_size=image, patch_size=patch)
        m = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=width - 5))
        results, padding = ("text_embeds", "image_embeds"), {}
    elif family == "siglip":
        f = sentencepiece(corpus.sentences(seed), vocab, "unigram", pad_id=-1, eos_id=1, unk_id=2, bos_id=0, **({"normalization_rule_name": "identity"} if plain else {}))
        tok = transformers.SiglipTokenizer(vocab_file=f, model_max_length=length, pad_token="</s>")
        proc = transformers.SiglipImageProcessor(size={"height": image, "width": image})
        text = dict(vocab_size=tok.vocab_size, hidden_size=width, intermediate_size=width * 2, num_hidden_layers=1, num_attention_heads=3, max_position_embeddings=length)
        vision = dict(hidden_size=width, intermediate_size=width, num_hidden_layers=3, num_attention_heads=2, image_size=image, patch_size=patch)
        m = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
        results, padding = ("pooler_output", "pooler_output"), {"padding": "max_length"}
    else:
        tok = wordpiece(seed, vocab, transformers.BertTokenizerFast, model_max_length=length)
        proc = transformers.ViTImageProcessor(size={"height": image, "width": image})
        text = transformers.BertConfig(vocab_size=len(tok), hidden_size=width, intermediate_size=width, num_hidden_layers=1, num_attention_heads=3, max_position_embeddings=length)
        vision = transformers.ViTConfig(hidden_size=width, intermediate_size=width, num_hidden_layers=1, num_attention_heads=2, image_size=image, patch_size=patch)
        m = transformers.VisionTextDualEncoderModel(transformers.VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=width - 1))
        results, padding = ("text_embeds", "image_embeds"), {}
    loud(m)
    m.save_pretrained(out)
    tok.save_pretrained(out)
    proc.save_pretrained(out)
    if family == "clip":
        text = transformers.CLIPTextModelWithProjection.from_pretrained(out).eval()
        vision = transformers.CLIPVisionModelWithProjection.from_pretrained(out).eval()
    elif family == "siglip":
        text, vision = m.text_model, m.vision_model
    else:
        text, vision = Projected(m, "text"), Projected(m, "vision")
    enc = tok(["a cat", "the river"], return_tensors="pt", **padding)
    names = ["input_ids"] + (["attention_mask", "token_type_ids"] if family == "dual" else [])
    export(text, names, [enc[n] for n in names], results[0], out / "onnx/text_model.onnx")
    export(vision, ["pixel_values"], [torch.zeros(2, 3, image, image)], results[1], out / "onnx/vision_model.onnx")
    texts, images = [], []
    # What stands behind a special token has no mark of a space in SiglipTokenizer.
    inputs = [t for t in corpus.HARD if family != "siglip" or "</s>" not in t]
    session = onnxruntime.InferenceSession(str(out / "onnx/text_model.onnx"))
    with torch.no_grad():
        for t in inputs + corpus.sentences(seed + 1, 6):
            enc = tok(t, return_tensors="pt", truncation=True, **padding)
            e = getattr(text(**{n: enc[n] for n in names}), results[0])[0]
            if np.allclose(e.numpy(), session.run(None, {n: enc[n].numpy() for n in names})[0][0], atol=1e-3):
                bare = tok(t, return_tensors="pt", truncation=True).input_ids[0].tolist()
                texts.append({"input": t, "input_ids": bare, "embedding": e.tolist()})
        for path in pictures(out, seed):
            px = proc(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values
            images.append({"input": f"pictures/{path.name}", "embedding": getattr(vision(pixel_values=px), results[1])[0].tolist()})
    for weights in ("model.safetensors",):
        (out / weights).unlink(missing_ok=True)
    write(out, f"picture and text embedding, {family}", texts=texts, images=images, tokens=[x for x in tokens_of(tok, corpus.sentences(seed + 3, 6)) if family != "siglip" or x["input"].isascii() and x["input"][0] not in " <"])


class Projected(torch.nn.Module):
    """A tower of a dual encoder with its projection."""
    def __init__(self, m, side):
        super().__init__()
        self.inner, self.projection, self.side = (m.text_model, m.text_projection, "text_embeds") if side == "text" else (m.vision_model, m.visual_projection, "image_embeds")

    def forward(self, **given):
        return transformers.modeling_outputs.ModelOutput({self.side: self.projection(self.inner(**given).pooler_output)})
