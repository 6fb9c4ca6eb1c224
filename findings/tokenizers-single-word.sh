#!/usr/bin/env bash
# An added token that must stand alone hides a shorter added token inside it.
#
# Expected: Where an added token with single_word=True stands inside a word it does not
#           count, so that another added token at that place is found as usual.
# Happens:  The search finds the longest token first and drops it when it does not stand
#           alone, then goes on BEHIND it: the shorter token in it is never tried.
# Matters:  An own tokenizer that filters before it matches gives other ids. Adding one
#           token changes how texts are read that do not contain it as a word.
#
# Versions: tokenizers 0.23.1. Seen on 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check tokenizers==0.23.1

"$work/venv/bin/python" - <<'PY'
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

print("tokenizers", tokenizers.__version__)


def tokenizer(*added):
    made = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_tokens(list(added))
    return made


short, long = AddedToken("b"), AddedToken("abc", single_word=True)
for text, expected in {"xbx": ["[UNK]", "b", "[UNK]"], "abc": ["abc"], "xabcx": ["[UNK]"]}.items():
    without, both = tokenizer(short).encode(text).tokens, tokenizer(short, long).encode(text).tokens
    print(f"{text}: {without} with b alone, {both} with b and abc (single_word)")
    if both != expected:
        sys.exit(f"It was {expected} before: not as described any more.")
PY
