"""Trains the small vocabularies that the golden files are for.

  python train.py SHARED TESTDATA      writes TESTDATA/FAMILY/tokenizer.json.zst

SHARED is the shared test data: lines of Common Voice (CC0) and the strings of
models/tokenizers are the training text, models/random/t5-random gives the
precompiled charsmap.
"""
import json, sys
from pathlib import Path

import zstandard
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SHARED, OUT = Path(sys.argv[1]), Path(sys.argv[2])
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
UPPER, LOWER, SHORT = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SHORT}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SHORT}"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# Another way to write GPT-2's expression, which no one has written by hand.
SLOW = r"(?:'(?:[stmd]|re|ve|ll))| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def lines(path: Path) -> list:
    return zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=1 << 28).decode().splitlines()


def corpus() -> list:
    text = [json.loads(l) for l in lines(SHARED / "models/tokenizers/strings.jsonl.zst")] * 3
    for lang in ("en", "de", "es"):
        text += lines(SHARED / f"data/text/commonvoice.{lang}.train.txt.zst")[:4000]
    return text


TEXT = corpus()


def trained(t: Tokenizer, trainer) -> dict:
    t.train_from_iterator(TEXT, trainer)
    return json.loads(t.to_str())


def added(content, i, **kw):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **kw}


def with_added(f: dict, *tokens) -> dict:
    """Puts added tokens behind the vocabulary, in order."""
    size = len(f["model"]["vocab"])
    ids = {t[0]: i for i, t in enumerate(f["model"]["vocab"])} if isinstance(f["model"]["vocab"], list) else f["model"]["vocab"]
    f["added_tokens"] = []
    for content, kw in tokens:
        i = ids.get(content)
        if i is None:
            i, size = size, size + 1
        f["added_tokens"].append(added(content, i, **kw))
    return f


CHARSMAP = json.loads((SHARED / "models/random/t5-random/tokenizer.json").read_text())["normalizer"]["normalizers"][0]


def write(name: str, f: dict) -> None:
    """The charsmap, which is large, stands in a file of its own, and @charsmap for it."""
    (OUT / name).mkdir(parents=True, exist_ok=True)
    text = json.dumps(f, ensure_ascii=False, separators=(",", ":"))
    Tokenizer.from_str(text)
    text = text.replace(CHARSMAP["precompiled_charsmap"], "@charsmap")
    (OUT / name / "tokenizer.json.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(text.encode()))
    print(name, len(f["model"]["vocab"]))


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def sequence(field, *steps):
    return {"type": "Sequence", field: list(steps)}


def template(before, after):
    place = lambda t: {"SpecialToken": {"id": t[0], "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [*map(place, before), text, *map(place, after)], "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {t[0]: {"id": t[0], "ids": [t[1]], "tokens": [t[0]]} for t in before + after}}


PLAIN = {"special": False, "normalized": True}


def byte_level() -> None:
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    f = trained(t, trainers.BpeTrainer(vocab_size=6000, initial_alphabet=BYTES, special_tokens=["<|endoftext|>"], show_progress=False))
    write("gpt2", with_added(f, ("<|endoftext|>", {"normalized": True}), ("ADDED", PLAIN), ("WORD", {**PLAIN, "single_word": True}),
                             ("strip", {**PLAIN, "lstrip": True, "rstrip": True}), ("<mask>", {"lstrip": True})))
    base = json.loads(json.dumps(f))
    f["pre_tokenizer"] = level(prefix=True, regex=True)
    f["model"]["merges"] = [" ".join(m) for m in f["model"]["merges"]]
    f["post_processor"] = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 0], "cls": ["!", 1], "trim_offsets": True, "add_prefix_space": True}
    write("roberta", with_added(f, ("<|endoftext|>", {}), ("<mask>", {"lstrip": True, "normalized": True}), ("  ", PLAIN), ("   ", PLAIN)))
    f = base
    f["pre_tokenizer"] = sequence("pretokenizers", split(SLOW), level())
    f["normalizer"] = {"type": "NFKC"}
    f["post_processor"] = None
    write("regex", with_added(f, ("<|endoftext|>", {})))


def split_levels() -> None:
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    f = trained(t, trainers.BpeTrainer(vocab_size=6000, initial_alphabet=BYTES, show_progress=False))
    f["post_processor"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    write("qwen2", with_added(f, ("<|endoftext|>", {}), ("<|im_start|>", {}), ("<|im_end|>", {}), ("<tool>", {"special": False}), ("added", PLAIN)))
    t.normalizer = None
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    f = trained(t, trainers.BpeTrainer(vocab_size=6000, initial_alphabet=BYTES, show_progress=False))
    f["model"]["ignore_merges"] = True
    # Words that no merges make, as in the real vocabulary.
    for word in ["Ġworld", "123", "ĠÐ¿ÑĢÐ¸Ð²ÐµÑĤ", "HTTPServer", "ĊĊĊ"]:
        f["model"]["vocab"].setdefault(word, len(f["model"]["vocab"]))
    begin = len(f["model"]["vocab"])
    f["post_processor"] = sequence("processors", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template([("<|begin_of_text|>", begin)], []))
    write("llama3", with_added(f, ("<|begin_of_text|>", {}), ("<|endoftext|>", {}), ("<|im_start|>", {})))
    f["pre_tokenizer"]["pretokenizers"][0] = split(O200K)
    f["model"]["ignore_merges"] = False
    f["post_processor"] = None
    write("o200k", with_added(f, ("<|endoftext|>", {})))


def clip() -> None:
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    f = trained(t, trainers.BpeTrainer(vocab_size=6000, initial_alphabet=BYTES, end_of_word_suffix="</w>", show_progress=False))
    vocab = f["model"]["vocab"]
    for b in BYTES[:250]:               # a few bytes are left to the unknown token
        vocab.setdefault(b + "</w>", len(vocab))
    n = len(vocab)
    vocab.update({"<|startoftext|>": n, "<|endoftext|>": n + 1})
    f["post_processor"] = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", n + 1], "cls": ["<|startoftext|>", n], "trim_offsets": False, "add_prefix_space": False}
    write("clip", with_added(f, ("<|startoftext|>", {"normalized": True}), ("<|endoftext|>", {"normalized": True}), ("ADDED", PLAIN)))
    f["decoder"] = {"type": "BPEDecoder", "suffix": "</w>"}
    f["model"]["fuse_unk"] = True
    f["normalizer"] = {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": True, "strip_accents": True, "lowercase": False}
    f["pre_tokenizer"] = {"type": "BertPreTokenizer"}
    write("bpe-words", with_added(f, ("<|endoftext|>", {})))


def sentence_pieces() -> None:
    specials = ["<unk>", "<s>", "</s>"]
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    f = trained(t, trainers.BpeTrainer(vocab_size=6000, limit_alphabet=400, special_tokens=specials, show_progress=False))
    charsmap = CHARSMAP
    f["normalizer"] = sequence("normalizers", charsmap, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    f["post_processor"] = template([("<s>", 1)], [("</s>", 2)])
    tokens = [(s, {}) for s in specials]
    write("nllb", with_added(f, *tokens, ("<mask>", {"lstrip": True, "normalized": True}), ("eng_Latn", {})))
    # Llama 2: bytes for what is unknown, no splitting.
    vocab = {s: i for i, s in enumerate(specials)}
    vocab.update({f"<0x{b:02X}>": len(vocab) + b for b in range(256)})
    for token in f["model"]["vocab"]:
        vocab.setdefault(token, len(vocab))
    f["model"].update(vocab=vocab, byte_fallback=True)
    f["normalizer"] = sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
    f["pre_tokenizer"] = None
    f["decoder"] = sequence("decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    f["post_processor"] = template([("<s>", 1)], [])
    write("llama2", with_added(f, *tokens, ("<tool>", {"special": False}), ("ADDED", PLAIN)))
    f["normalizer"] = None
    f["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    write("mistral", with_added(f, *tokens, ("<tool>", {"special": False, "rstrip": True})))
    f["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    f["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    f["decoder"]["decoders"].pop()
    write("gemma", with_added(f, *tokens, ("\n\n", {"special": False}), ("▁▁", {"special": False})))


def word_pieces() -> None:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for name, lower in (("bert", True), ("bert-cased", False)):
        t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer = normalizers.BertNormalizer(lowercase=lower)
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        t.decoder = decoders.WordPiece(cleanup=lower)
        f = trained(t, trainers.WordPieceTrainer(vocab_size=8000, limit_alphabet=900, special_tokens=specials, show_progress=False))
        f["post_processor"] = template([("[CLS]", 2)], [("[SEP]", 3)]) if lower else {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
        write(name, with_added(f, *[(s, {}) for s in specials], ("ADDED", PLAIN)))


def unigrams() -> None:
    specials = ["<pad>", "</s>", "<unk>"]
    charsmap = CHARSMAP
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    f = json.loads(t.to_str())
    t = Tokenizer.from_str(json.dumps({**f, "normalizer": charsmap}))
    f = trained(t, trainers.UnigramTrainer(vocab_size=8000, special_tokens=specials, unk_token="<unk>", show_progress=False))
    f["normalizer"] = sequence("normalizers", charsmap, {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})
    f["post_processor"] = template([], [("</s>", 1)])
    write("t5", with_added(f, *[(s, {}) for s in specials], ("<extra_id_0>", {}), ("<extra_id_1>", {"lstrip": True})))
    for b in range(256):
        f["model"]["vocab"].append([f"<0x{b:02X}>", -100.0 - b])
    f["model"]["byte_fallback"] = True
    f["normalizer"] = sequence("normalizers", {"type": "Nmt"}, {"type": "NFKD"}, {"type": "StripAccents"})
    f["pre_tokenizer"] = sequence("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True})
    f["decoder"] = sequence("decoders", {"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True})
    write("unigram-bytes", with_added(f, *[(s, {}) for s in specials]))


def parts() -> None:
    """One file for each pre-tokenizer and normalizer; the ids show where words begin."""
    vocab = {b: i for i, b in enumerate(BYTES)}
    vocab.update({"##" + b: len(vocab) + i for i, b in enumerate(BYTES)})
    words = {"Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"}, "BertPreTokenizer": {"type": "BertPreTokenizer"},
             "Digits": {"type": "Digits", "individual_digits": False}, "DigitsApart": {"type": "Digits", "individual_digits": True},
             "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": "a"}, "FixedLength": {"type": "FixedLength", "length": 3},
             "MetaspaceFirst": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
             "MetaspaceNever": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "split": True}}
    for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        words["Punctuation" + b] = {"type": "Punctuation", "behavior": b}
        words["Split" + b] = {"type": "Split", "pattern": {"String": "e"}, "behavior": b, "invert": False}
        words["SplitInvert" + b] = {"type": "Split", "pattern": {"Regex": r"[a-z]+|\d"}, "behavior": b, "invert": True}
    forms = {n: {"type": n} for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")}
    forms.update(Bert={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
                 Strip={"type": "Strip", "strip_left": True, "strip_right": True}, Replace={"type": "Replace", "pattern": {"Regex": r"(\w)\1"}, "content": "2"},
                 Prepend={"type": "Prepend", "prepend": "x"})
    all_parts = {}
    for name, step in {**words, **forms}.items():
        all_parts[name] = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": step if name in forms else None,
                           "pre_tokenizer": sequence("pretokenizers", step, level()) if name in words else level(), "post_processor": None, "decoder": level()}
        if name == "ByteLevel":
            all_parts[name]["pre_tokenizer"] = None
        Tokenizer.from_str(json.dumps({**all_parts[name], "model": model_of(vocab)}))
    f = {"model": model_of(vocab), "parts": all_parts}
    (OUT / "parts").mkdir(parents=True, exist_ok=True)
    (OUT / "parts" / "parts.json.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(json.dumps(f, ensure_ascii=False).encode()))


def model_of(vocab):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "##", "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": []}


(OUT / "charsmap.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(CHARSMAP["precompiled_charsmap"].encode()))
for make in (byte_level, split_levels, clip, sentence_pieces, word_pieces, unigrams, parts):
    if len(sys.argv) < 4 or make.__name__ in sys.argv[3:]:
        make()
