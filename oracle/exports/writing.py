"""Bundles of models that write: causal language models and encoder-decoders."""
import random
import tempfile
from pathlib import Path

import sentencepiece as spm
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export
from optimum.exporters.onnx.model_configs import GPT2OnnxConfig
from optimum.onnxruntime import ORTModelForCausalLM, ORTModelForSeq2SeqLM
from tokenizers import ByteLevelBPETokenizer

from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

import corpus
from bundle import keep, loud, tokens_of, warm, write

GREEDY = {"num_beams": 1, "do_sample": False, "max_new_tokens": 16}
BEAMS2 = {"num_beams": 2, "do_sample": False, "max_new_tokens": 14}
BEAMS5 = {"num_beams": 5, "do_sample": False, "max_new_tokens": 12}


def common(a, b, c, d, length):
    """Settings for any generating model; a to d are token ids that it likes to write, behind length others."""
    return [
        GREEDY,
        {**GREEDY, "repetition_penalty": 1.4},
        {**GREEDY, "encoder_repetition_penalty": 1.8},
        {**GREEDY, "no_repeat_ngram_size": 2, "min_new_tokens": 6},
        {**GREEDY, "encoder_no_repeat_ngram_size": 2},
        {**GREEDY, "bad_words_ids": [[a], [b, c]]},
        {**GREEDY, "sequence_bias": [[[a], -4.0], [[b], 2.5], [[c, d], 3.0]]},
        {**GREEDY, "exponential_decay_length_penalty": [3, 1.3]},
        {**GREEDY, "suppress_tokens": [a, c], "begin_suppress_tokens": [b, d]},
        {**GREEDY, "eos_token_id": [a, d]},
        {**GREEDY, "forced_eos_token_id": d, "min_new_tokens": 5},
        {"num_beams": 1, "do_sample": False, "max_length": length + 5},
        {**BEAMS2, "early_stopping": True, "length_penalty": 0.0},
        {**BEAMS2, "early_stopping": "never", "length_penalty": 2.0, "num_return_sequences": 2},
        {**BEAMS5, "early_stopping": False, "length_penalty": 0.5},
        {**BEAMS5, "early_stopping": True, "length_penalty": 2.0, "eos_token_id": [a, b]},
        {**BEAMS5, "early_stopping": "never", "length_penalty": 0.0},
        {**BEAMS5, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2, "num_return_sequences": 5},
        {**BEAMS2, "sequence_bias": [[[a], -4.0], [[c, d], 3.0]], "renormalize_logits": True},
        {**BEAMS2, "exponential_decay_length_penalty": [2, 1.2], "min_length": 4},
        {**BEAMS5, "encoder_no_repeat_ngram_size": 3, "bad_words_ids": [[b], [c, d]]},
    ]


def cases(model, ort, tok, inputs, extra=()):
    """Generates with every setting in PyTorch and in ONNX Runtime; keeps what both agree on."""
    liked = []
    with torch.no_grad():
        for text in inputs:
            liked += model.generate(**tok(text, return_tensors="pt"), **GREEDY)[0].tolist()
    special = set(tok.all_special_ids)
    ranked = sorted({i for i in liked if i not in special}, key=lambda i: (-liked.count(i), i))
    ranked += [i for i in range(20, 60) if i not in ranked]
    out, dropped = [], 0
    for n, text in enumerate(inputs):
        enc = tok(text, return_tensors="pt")
        enc.pop("token_type_ids", None)
        a, b, c, d = (ranked[n % 3], ranked[(n + 1) % 3], ranked[3], ranked[4])
        length = 1 if model.config.is_encoder_decoder else enc["input_ids"].shape[1]
        for kw in [*common(a, b, c, d, length), *extra]:
            given = first(model, enc, kw)
            if given != first(ort, enc, kw):
                dropped += 1
                continue
            out.append({"input": text, "input_ids": enc["input_ids"][0].tolist(), "settings": kw, "output_ids": given, "output_text": tok.decode(given, skip_special_tokens=True)})
    return out, dropped


def first(model, enc, kw):
    """The best output, without the padding that the length of the others gives it."""
    ids = model.generate(**enc, **kw)[0].tolist()
    begin = 1 if model.config.is_encoder_decoder else enc["input_ids"].shape[1]
    pad = model.generation_config.pad_token_id
    ends = kw.get("eos_token_id", model.generation_config.eos_token_id)
    ends = ends if isinstance(ends, list) else [ends]
    # A pad of 0 counts as none to transformers, which fills up with the end token then.
    while kw.get("num_return_sequences", 1) > 1 and len(ids) > begin + 1 and ids[-1] in [pad, *ends] and ids[-2] in [pad, *ends]:
        ids.pop()
    return ids


def batch(model, ort, tok, inputs, kw):
    """Each input's own run; the reader has to give the same when it runs them together."""
    texts, outputs = [], []
    for text in inputs:
        enc = tok(text, return_tensors="pt")
        enc.pop("token_type_ids", None)
        a, b = model.generate(**enc, **kw)[0], ort.generate(**enc, **kw)[0]
        if a.tolist() == b.tolist():
            texts.append(text)
            outputs.append(tok.decode(a, skip_special_tokens=True))
    return {"inputs": texts, "settings": kw, "output_text": outputs}


def sentencepiece(text, vocab, kind, **more):
    with tempfile.NamedTemporaryFile(suffix=".model", delete=False) as f:
        spm.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=f, model_type=kind, vocab_size=vocab, minloglevel=2, hard_vocab_limit=False, **more)
    return f.name


INST = ("{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
        "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'].strip() + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}")
CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
CHATS = [[{"role": "user", "content": " The cat finds a red apple. "}],
         [{"role": "user", "content": "Qué tal?\ntwo lines"}, {"role": "assistant", "content": "Bien."}, {"role": "user", "content": "And 👍🏽 you?"}]]


def byte_level(text, vocab, cls, specials, **more):
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(text, vocab_size=vocab, special_tokens=specials, show_progress=False)
    tmp = tempfile.mkdtemp()
    bpe.save_model(tmp)
    return cls(vocab_file=f"{tmp}/vocab.json", merges_file=f"{tmp}/merges.txt", **more)


def text_batches(tok, seed, eos, size=16):
    data = corpus.sentences(seed)

    def make(i):
        rows = [tok(data[(i * size + j) % len(data)]).input_ids[:40] + [eos] for j in range(size)]
        n = max(map(len, rows))
        ids = torch.tensor([r + [eos] * (n - len(r)) for r in rows])
        mask = torch.tensor([[1] * len(r) + [0] * (n - len(r)) for r in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    return make


class NoPositions(GPT2OnnxConfig):
    """GPT-2 as old exports have it: the positions follow from the cache."""
    @property
    def inputs(self):
        return {k: v for k, v in super().inputs.items() if k != "position_ids"}


def causal(out, seed, family, vocab, positions=True, quantize=False, inputs=4, **size):
    text = corpus.sentences(seed)
    torch.manual_seed(seed)
    if family in ("llama", "gemma"):
        ids = dict(unk_id=0, bos_id=1, eos_id=2, pad_id=-1) if family == "llama" else dict(pad_id=0, eos_id=1, bos_id=2, unk_id=3)
        f = sentencepiece(text, vocab, "bpe", byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                          add_dummy_prefix=family == "llama", user_defined_symbols=[] if family == "llama" else ["<start_of_turn>", "<end_of_turn>"], **ids)
        tok = (transformers.LlamaTokenizerFast if family == "llama" else transformers.GemmaTokenizerFast)(vocab_file=f)
        tok.chat_template = INST
    else:
        specials = ["<|endoftext|>"]
        cls = {"qwen3": transformers.Qwen2TokenizerFast, "qwen2": transformers.Qwen2TokenizerFast}.get(family, transformers.GPT2TokenizerFast)
        tok = byte_level(text, vocab, cls, specials)
        if family in ("qwen2", "qwen3"):
            tok.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"})
            tok.chat_template = CHATML
    config = {"llama": transformers.LlamaConfig, "gemma": transformers.GemmaConfig, "gpt2": transformers.GPT2Config, "gpt_neox": transformers.GPTNeoXConfig, "phi": transformers.PhiConfig,
              "qwen2": transformers.Qwen2Config, "qwen3": transformers.Qwen3Config, "mistral": transformers.MistralConfig, "opt": transformers.OPTConfig, "gpt_neo": transformers.GPTNeoConfig}[family]
    ends = dict(bos_token_id=tok.bos_token_id if tok.bos_token_id is not None else tok.eos_token_id, eos_token_id=tok.eos_token_id, pad_token_id=tok.pad_token_id)
    m = loud(transformers.AutoModelForCausalLM.from_config(config(vocab_size=len(tok), **ends, **size)))
    warm(m, text_batches(tok, seed, tok.eos_token_id))
    m.save_pretrained(out)
    tok.save_pretrained(out)
    custom = None if positions else {"model": NoPositions(m.config, task="text-generation", use_past=True, use_past_in_inputs=True)}
    main_export(str(out), output=str(out / "export"), task="text-generation-with-past", custom_onnx_configs=custom)
    file = "model.onnx"
    if quantize:
        file = "model_quantized.onnx"
        quantize_dynamic(str(out / "export/model.onnx"), str(out / "export" / file), weight_type=QuantType.QUInt8)
    ort = ORTModelForCausalLM.from_pretrained(out / "export", file_name=file)
    ort.embed_size_per_head = getattr(m.config, "head_dim", None) or m.config.hidden_size // m.config.num_attention_heads  # it takes the latter for granted
    if quantize:
        m = ort  # the whole numbers are the reference then
    texts = ["The"] + [s.rsplit(" ", 2)[0] for s in corpus.sentences(seed + 1, inputs - 1)]
    done, dropped = cases(m, ort, tok, texts)
    chats = []
    for messages in CHATS if tok.chat_template else []:
        prompt = tok.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        enc = tok(prompt, return_tensors="pt", add_special_tokens=False)
        enc.pop("token_type_ids", None)
        a, b = m.generate(**enc, **GREEDY)[0].tolist(), ort.generate(**enc, **GREEDY)[0].tolist()
        if a == b:
            chats.append({"messages": messages, "prompt": prompt, "input_ids": enc["input_ids"][0].tolist(), "settings": GREEDY, "output_ids": a})
    together = {} if quantize else batch(m, ort, tok, [s.rsplit(" ", 1 + i % 3)[0] for i, s in enumerate(corpus.sentences(seed + 2, 9))], {**GREEDY, "max_new_tokens": 10})
    keep(out, {file: file})
    write(out, f"causal, {family}", cases=done, dropped=dropped, chats=chats, batch=together, tokens=tokens_of(tok, corpus.sentences(seed + 3, 6)))


def pair_batches(tok, seed, front="", size=16):
    data = corpus.sentences(seed)
    back = corpus.sentences(seed + 7)

    def make(i):
        rows = [(i * size + j) % len(data) for j in range(size)]
        enc = tok([front + data[r] for r in rows], text_target=[back[r] for r in rows], return_tensors="pt", padding=True)
        enc["labels"][enc["labels"] == tok.pad_token_id] = -100
        return {k: enc[k] for k in ("input_ids", "attention_mask", "labels")}
    return make


def marian_tokenizer(out, seed, vocab, **more):
    import json
    import shutil
    text = corpus.sentences(seed)
    for name, part in (("source.spm", text[0::2]), ("target.spm", text[1::2])):
        shutil.copy(sentencepiece(part, vocab, "unigram", eos_id=0, unk_id=1, bos_id=-1, pad_id=-1, **more), out / name)
    pieces = set()
    for name in ("source.spm", "target.spm"):
        sp = spm.SentencePieceProcessor(model_file=str(out / name))
        pieces |= {sp.id_to_piece(i) for i in range(2, sp.get_piece_size())}
    order = sorted(pieces)
    random.Random(seed).shuffle(order)
    ids = {p: i for i, p in enumerate(["</s>", "<unk>", *order, ">>fra<<", "<pad>"])}
    (out / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False))
    return transformers.MarianTokenizer(str(out / "source.spm"), str(out / "target.spm"), str(out / "vocab.json"), source_lang="en", target_lang="fr")


def seq2seq(out, seed, family, vocab, merged=False, inputs=3, plain=False, **size):
    torch.manual_seed(seed)
    front = ""
    extra = []
    if family == "marian":
        tok = marian_tokenizer(out, seed, vocab, **({"normalization_rule_name": "identity"} if plain else {}))
        pad = tok.pad_token_id
        config = transformers.MarianConfig(vocab_size=len(tok), pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, forced_eos_token_id=0, bos_token_id=0, **size)
        m = loud(transformers.MarianMTModel(config))
        m.final_logits_bias.normal_(0, 0.4)
        m.generation_config.update(bad_words_ids=[[pad]], num_beams=5, max_length=40)
    elif family == "m2m_100":
        f = sentencepiece(corpus.sentences(seed), vocab, "bpe", byte_fallback=False)
        tok = m2m100_tokenizer(out, f)
        config = transformers.M2M100Config(vocab_size=len(tok.encoder) + len(tok.lang_token_to_id) + tok.num_madeup_words, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, **size)
        m = loud(transformers.M2M100ForConditionalGeneration(config))
        extra = [{**GREEDY, "forced_bos_token_id": tok.get_lang_id("fr")}, {**BEAMS5, "forced_bos_token_id": tok.get_lang_id("de"), "begin_suppress_tokens": [30, 31]}]
    else:
        f = sentencepiece(corpus.sentences(seed), vocab, "unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
        tok = transformers.T5TokenizerFast(vocab_file=f, extra_ids=7)
        front = "translate English to French: "
        config = (transformers.MT5Config if family == "mt5" else transformers.T5Config)(vocab_size=len(tok), pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, **size)
        m = loud((transformers.MT5ForConditionalGeneration if family == "mt5" else transformers.T5ForConditionalGeneration)(config))
    warm(m, pair_batches(tok, seed, front))
    m.save_pretrained(out)
    tok.save_pretrained(out)
    main_export(str(out), output=str(out / "export"), task="text2text-generation-with-past", no_post_process=not merged)
    ort = ORTModelForSeq2SeqLM.from_pretrained(out / "export", use_merged=merged)
    for part in (ort.decoder, ort.decoder_with_past):
        if part is not None and family in ("t5", "mt5"):
            part.embed_size_per_head = m.config.d_kv  # it takes d_model through the heads for granted
    done, dropped = cases(m, ort, tok, [front + s for s in corpus.sentences(seed + 1, inputs)], extra)
    together = batch(m, ort, tok, [front + s for s in corpus.sentences(seed + 2, 7)], GREEDY)
    files = ("encoder_model", "decoder_model_merged") if merged else ("encoder_model", "decoder_model", "decoder_with_past_model")
    keep(out, {f"{n}.onnx": f"{n}.onnx" for n in files})
    if family == "m2m_100":
        (out / "tokenizer.json").unlink(missing_ok=True)
    write(out, f"seq2seq, {family}", cases=done, dropped=dropped, batch=together, tokens=tokens_of(tok, [front + s for s in corpus.sentences(seed + 3, 6)]))


def m2m100_tokenizer(out: Path, model):
    import json
    sp = spm.SentencePieceProcessor(model_file=model)
    ids = {p: i for i, p in enumerate(["<s>", "<pad>", "</s>", "<unk>", *[sp.id_to_piece(i) for i in range(3, sp.get_piece_size())]])}
    (out / "m.json").write_text(json.dumps(ids, ensure_ascii=False))
    tok = transformers.M2M100Tokenizer(vocab_file=str(out / "m.json"), spm_file=model, src_lang="en", tgt_lang="fr", additional_special_tokens=[f"__{c}__" for c in FAIRSEQ_LANGUAGE_CODES["m2m100"]])
    (out / "m.json").unlink()
    return tok
