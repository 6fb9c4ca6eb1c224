#!/bin/sh
# Builds hugot's two backends into the folder that is given. The ORT one needs the Rust
# tokenizers as an archive, which daulet/tokenizers does not bring: it is built here, from
# the source in that module, where cargo is. Its manifest names tiktoken-rs at a git host;
# the registry's 0.7 does as well and nothing here calls it. Without cargo the ORT column
# stays empty.
set -eu
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

go build -o "$out/hugot-go" .

if [ ! -f "$out/libtokenizers.a" ]; then
	if ! command -v cargo >/dev/null 2>&1; then
		echo "hugot's ORT backend is left out: there is no cargo to build the Rust tokenizers with" >&2
		exit 0
	fi
	echo "    Building the Rust tokenizers for hugot (once; some minutes)"
	source=$(mktemp -d)
	trap 'rm -rf "$source"' EXIT
	cp -R "$(go list -m -f '{{.Dir}}' github.com/daulet/tokenizers)/." "$source"
	chmod -R u+w "$source"
	# The manifest is rewritten, and with it the lock file no longer fits.
	sed -i.old 's|^tiktoken-rs = .*|tiktoken-rs = "0.7"|' "$source/crates/tokenizers/Cargo.toml"
	sed -i.old '/crates\/tokenizers-wasm/d' "$source/Cargo.toml"
	rm "$source/Cargo.lock"
	if ! (cd "$source" && cargo build --quiet --release -p tokenizers-ffi); then
		echo "hugot's ORT backend is left out: the Rust tokenizers were not built" >&2
		exit 0
	fi
	cp "$source/target/release/libtokenizers_ffi.a" "$out/libtokenizers.a"
fi
CGO_LDFLAGS="-L$out" go build -tags ORT -o "$out/hugot-ort" .
# hugot looks for this name in a folder.
for library in ../../../node_modules/onnxruntime-node/bin/napi-v6/*/*/libonnxruntime.so.1; do
	case $library in
	*"/$(go env GOOS)/$(go env GOARCH | sed s/amd64/x64/)/"*) ln -sf "$(cd "$(dirname "$library")" && pwd)/libonnxruntime.so.1" "$out/libonnxruntime.so" ;;
	esac
done
