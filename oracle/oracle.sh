#!/usr/bin/env bash
# Makes the golden files again, in their places, and tells which differ from what is
# committed: oracle.sh [NAME...], the folders beside it, all without a name. Test data that
# is not in the repository is looked for in ../shared, or in SHARED.
set -euo pipefail
cd "$(dirname "$0")/.."
SHARED=$(realpath "${SHARED:-../shared}")
CACHE=${CACHE:-$PWD/.cache/oracle}
PYTHON=${PYTHON:-python3.11}
ALL=(chat pictures scheduler generation tokenizers exports rows)
GOLDEN=(worker/chat/testdata worker/picture/testdata worker/scheduler/testdata worker/pipeline/testdata
	worker/pipeline/decoder/testdata worker/pipeline/write/testdata worker/tokenizer/testdata)

say() { printf '==> %s\n' "$*"; }

# python NAME ARGS...: in NAME's own environment, made when its requirements change.
python() {
	local name=$1 venv=$CACHE/$1/venv
	shift
	if ! cmp -s "oracle/$name/requirements.txt" "$venv/requirements.txt"; then
		say "$name: getting its packages"
		rm -rf "$venv"
		"$PYTHON" -m venv "$venv"
		"$venv/bin/pip" install --quiet --disable-pip-version-check -r "oracle/$name/requirements.txt"
		cp "oracle/$name/requirements.txt" "$venv/"
	fi
	"$venv/bin/python" "$@"
}

chat() { python chat oracle/chat/make.py; }
pictures() { python pictures oracle/pictures/golden.py worker/picture/testdata; }
scheduler() { python scheduler oracle/scheduler/make.py; }
generation() {
	python generation oracle/generation/distributions.py worker/pipeline/testdata/distributions.json.zst
	python generation oracle/generation/stop_strings.py "$SHARED/models" worker/pipeline/write/testdata/stop_strings.json
	# It needs onnx, which the exports bring.
	python exports oracle/generation/shared_caches.py worker/pipeline/decoder/testdata/shared-caches
}
# The vocabularies stay: training is not reproducible to the byte.
tokenizers() {
	(cd oracle/tokenizers && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error &&
		node golden.mjs "$SHARED" ../../worker/tokenizer/testdata)
}
# Random weights are trained a little, which is not the same to the bit on every machine:
# the bundles are compared by what parley makes of them.
exports() {
	python exports oracle/exports/exports.py "$CACHE/exports/made"
	go run ./cmd/parley models verify "$CACHE"/exports/made/*
}
rows() { python rows oracle/rows/rows.py "$SHARED/models"; }

[ $# -gt 0 ] || set -- "${ALL[@]}"
for name in "$@"; do
	case " ${ALL[*]} " in
	*" $name "*) ;;
	*) echo "oracle: there is no $name; there are ${ALL[*]}" >&2 && exit 2 ;;
	esac
done
if [ -n "$(git status --porcelain -- "${GOLDEN[@]}")" ]; then
	echo "oracle: golden files are changed already; commit them or put them back first" >&2
	exit 2
fi
for name in "$@"; do
	say "$name"
	begun=$SECONDS
	"$name"
	say "$name took $((SECONDS - begun)) s"
done
changed=$(git status --porcelain -- "${GOLDEN[@]}")
if [ -n "$changed" ]; then
	printf 'oracle: these differ now from what is committed:\n%s\n' "$changed" >&2
	exit 1
fi
say "Nothing differs."
