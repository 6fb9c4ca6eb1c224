#!/usr/bin/env bash
# Jinja's for/else is not Python's: after a break the else may run or not.
#
# Expected: As the manual says, the else of a for runs only where no iteration took
#           place. (Python's own runs it unless a break ended the loop.)
# Happens:  Jinja clears a flag at the END of the body. Where a break or continue keeps
#           every iteration from reaching that end, the else runs although items were there
#           and the body printed something. A break in a later iteration stops it.
# Matters:  Chat templates of language models use loopcontrols. Another engine that
#           follows the manual, or Python, renders another prompt from the same
#           template.
#
# Versions: jinja2 3.1.6, markupsafe 3.0.4. Seen on 2026-11-28.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check jinja2==3.1.6 markupsafe==3.0.4

"$work/venv/bin/python" - <<'PY'
import importlib.metadata
import sys

import jinja2

print("jinja2", importlib.metadata.version("jinja2"))
environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])
for source, expected in {
    "{% for x in xs %}{% break %}{% else %}else{% endfor %}": "else",
    "{% for x in xs %}{{ x }}{% break %}{% else %}else{% endfor %}": "1else",
    "{% for x in xs %}{{ x }}{% continue %}{% else %}else{% endfor %}": "12else",
    "{% for x in xs %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}else{% endfor %}": "1",
    "{% for x in xs %}{{ x }}{% else %}else{% endfor %}": "12",
    "{% for x in [] %}{{ x }}{% else %}else{% endfor %}": "else",
}.items():
    text = environment.from_string(source).render(xs=[1, 2])
    print(f"{source}  with xs = [1, 2] gives {text!r}")
    if text != expected:
        sys.exit(f"It was {expected!r} before: not as described any more.")
PY
