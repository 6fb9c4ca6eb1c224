#!/usr/bin/env bash
# The Rust tokenizers' Precompiled normalizer loses accents that SentencePiece keeps.
#
# Expected: With the character map of a SentencePiece model it normalizes as SentencePiece
#           does: at each place the rule with the longest matching key.
# Happens:  A grapheme of fewer than 6 bytes is replaced WHOLE by the rule with the SHORTEST
#           key that it begins with. So a full-width e and a combining acute become "e"
#           (SentencePiece: é), and u, diaeresis, acute become "ü" (SentencePiece: ǘ).
# Matters:  T5, XLM-R and their kin are trained with SentencePiece and mostly served with
#           tokenizer.json: such texts get other ids. A port has to copy the quirk to
#           agree with the Rust library.
#
# Versions: tokenizers 0.23.1, sentencepiece 0.2.3, protobuf 7.36.2. Seen on 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check tokenizers==0.23.1 sentencepiece==0.2.3 protobuf==7.36.2

"$work/venv/bin/python" - <<'PY'
import io
import sys

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers

print("tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__)
trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["hello world"] * 50), model_writer=trained, model_type="char", vocab_size=30,
    hard_vocab_limit=False, normalization_rule_name="nmt_nfkc", add_dummy_prefix=False,
    remove_extra_whitespaces=False, minloglevel=2)
model = sentencepiece_model_pb2.ModelProto()
model.ParseFromString(trained.getvalue())
rust = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
original = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
for text, (by_rust, by_original) in {
    "e\u0301": ("\xe9", "\xe9"),
    "\uff45\u0301": ("e", "\xe9"),
    "u\u0308\u0301": ("\xfc", "\u01d8"),
    "\xb2\u0302": ("2", "2\u0302"),
    "a\u0301\u0301": ("\xe1", "\xe1\u0301"),
}.items():
    got = rust.normalize_str(text), original.normalize(text)
    print(f"{ascii(text)}: tokenizers {ascii(got[0])}, sentencepiece {ascii(got[1])}")
    if got != (by_rust, by_original):
        sys.exit("One of them normalizes otherwise than before: not as described any more.")
PY
