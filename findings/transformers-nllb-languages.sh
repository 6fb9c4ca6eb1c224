#!/usr/bin/env bash
# NLLB's tokenizer, read from its SentencePiece file alone, gives each language the next id.
#
# Expected: NllbTokenizer and NllbTokenizerFast put the languages directly behind the pieces
#           and <mask> behind the languages, as in the checkpoints: of 256,000 pieces and one
#           more special token than the file has, ace_Arab is 256001 and eng_Latn 256047.
# Happens:  Without the ids in added_tokens_decoder, tokenizer.json or added_tokens.json,
#           <mask> comes first and each language is one higher. Both classes do the same.
# Matters:  A checkpoint copied without those files translates from and into the neighbouring
#           languages, without an error. An own loader has to take the ids from the files.
#
# Versions: transformers 4.57.6, sentencepiece 0.2.1. Seen on 2026-11-29.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check transformers==4.57.6 sentencepiece==0.2.1 protobuf==6.33.0

WORK=$work TRANSFORMERS_VERBOSITY=error "$work/venv/bin/python" - <<'PY' 2> >(grep -v -e "^None of PyTorch" >&2)
import os
import sys

import sentencepiece
import transformers
from transformers import NllbTokenizer, NllbTokenizerFast

print("transformers", transformers.__version__, "sentencepiece", sentencepiece.__version__)
prefix = os.path.join(os.environ["WORK"], "pieces")
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(f"{a} {b}" for a in ("red", "green", "blue") for b in ("house", "tree", "river")),
    model_prefix=prefix, model_type="bpe", vocab_size=40, minloglevel=2)

checkpoint = 256047 - 256000  # eng_Latn of facebook/nllb-200-*, above the pieces of its file
for kind in (NllbTokenizer, NllbTokenizerFast):
    made = kind(vocab_file=prefix + ".model")
    size = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model").get_piece_size()
    mask, first, english = made.convert_tokens_to_ids(["<mask>", "ace_Arab", "eng_Latn"])
    print(f"{kind.__name__}: {size} pieces, <mask> {mask}, ace_Arab {first}, eng_Latn {english} (laid out as in the checkpoints: {size + checkpoint})")
    if (mask, first, english) != (size + 1, size + 2, size + checkpoint + 1):
        sys.exit("Not as described any more.")
PY
