"""Renders templates with Python's transformers and jinja2 into golden files.

Run it from the repository's root, with what requirements.txt names:
    python oracle/chat/make.py
It reads expressions.txt and statements.txt here, and variables.json, chats.json
and templates/ in worker/chat/testdata; there it writes expressions.jsonl and
prompts.jsonl.
"""

import copy
import datetime
import json
import pathlib
import re

import jinja2
import transformers
from tokenizers import Tokenizer, models
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent.parent / "worker" / "chat" / "testdata"


class Clock(datetime.datetime):
    """A clock that stands still; the tests in Go set theirs likewise."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 5, 7, 8, 9, 12345)


# What Python prints with an address in memory can't be compared.
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def outcome(render):
    """What a template gives: its text, or what it raised."""
    try:
        output = render()
        output.encode()  # lone surrogates are no text
    except Exception as e:  # a template may raise anything
        kind = type(e).__name__
        kept = kind in ("TemplateError", "UndefinedError")
        return {"raised": kind, **({"message": str(e)} if kept else {})}
    if ADDRESS.search(output):
        return {"raised": "address"}
    return {"output": output}


def expressions():
    variables = json.loads((OUT / "variables.json").read_text())
    sources = ["{{ " + line + " }}" for line in (HERE / "expressions.txt").read_text().split("\n") if line]
    sources += (HERE / "statements.txt").read_text().split("\n====\n")
    for source in sources:
        # A copy for each, as templates can change lists after all: indent adds "\n" to one in place.
        given = copy.deepcopy(variables)
        compile_template = chat_template_utils._cached_compile_jinja_template
        yield {"template": source, **outcome(lambda: compile_template(source).render(**given))}


def prompts():
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, "<unk>")),
        bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
    )
    chats = json.loads((OUT / "chats.json").read_text())
    for path in sorted((OUT / "templates").glob("*.jinja")):
        source = path.read_bytes().decode()
        for name, chat in chats.items():
            def render():
                return tokenizer.apply_chat_template(
                    chat["messages"], chat_template=source, tokenize=False, tools=chat.get("tools"),
                    add_generation_prompt=chat.get("add_generation_prompt", False), **chat.get("extra", {}),
                )
            yield {"template": path.stem, "chat": name, **outcome(render)}


def write(name, cases):
    lines = [json.dumps(case, ensure_ascii=False) for case in cases]
    (OUT / name).write_text("\n".join(lines) + "\n")
    print(name, len(lines), "of which raised", sum('"raised": ' in line for line in lines))


chat_template_utils.datetime = Clock
write("expressions.jsonl", expressions())
write("prompts.jsonl", prompts())
print("transformers", transformers.__version__, "jinja2", jinja2.__version__)
