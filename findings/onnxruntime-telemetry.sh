#!/usr/bin/env bash
# ONNX Runtime from npm collects telemetry on Linux unless told not to.
#
# Expected: A library that runs models writes nothing below the home folder; telemetry is
#           known from the Windows builds alone.
# Happens:  To load onnxruntime-node on Linux and to run one model makes a device's id and a
#           database of queued events in .cache/Microsoft/DeveloperTools/.onnxruntime. The
#           library holds the address https://mobile.events.data.microsoft.com/OneCollector/1.0.
#           With ORT_DISABLE_TELEMETRY=1 none of these files is made.
# Matters:  A server that promises to send nothing to anybody has to set the variable
#           before it loads the library.
#
# Versions: onnxruntime-node 1.30.0 (CPU), Node.js 20.20.2. Seen on 2026-11-28 on Linux, x86-64.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset ORT_DISABLE_TELEMETRY
cd "$work"
mkdir npm
HOME=$work/npm npm install --silent --ignore-scripts --no-audit --no-fund --cache "$work/npm/cache" onnxruntime-node@1.30.0

cat >run.js <<'JS'
// y = Identity(x) over one float, as the bytes of ONNX's protobuf.
const number = (field, value) => Buffer.from([field << 3, value]);
const bytes = (field, value) => {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content]);
};
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));
const port = (field, name) =>
  message(field, bytes(1, name), message(2, message(1, number(1, 1), message(2, message(1, number(1, 1))))));
const node = message(1, bytes(1, "x"), bytes(2, "y"), bytes(4, "Identity"));
const graph = message(7, node, bytes(2, "graph"), port(11, "x"), port(12, "y"));
const model = Buffer.concat([number(1, 9), graph, message(8, number(2, 18))]);

const ort = require("onnxruntime-node");
(async () => {
  const session = await ort.InferenceSession.create(model);
  const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.of(42), [1]) });
  const version = require("onnxruntime-node/package.json").version;
  console.log(`onnxruntime-node ${version}, Node.js ${process.version}: the model gives ${y.data[0]}`);
  await session.release();
})();
JS

# made runs the model with an empty home and the variables in its arguments, and lists the
# files that there are below it afterwards.
made() {
  rm -rf home && mkdir home
  env HOME="$work/home" XDG_CACHE_HOME="$work/home/.cache" "$@" node run.js >&2
  (cd home && find . -type f | sort)
}

library=node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1
echo "in the library: $(grep -aoE 'https://mobile\.events\.data\.microsoft\.com/OneCollector/1\.0' "$library" | sort -u)"
without=$(made)
printf 'files without the variable:\n%s\n' "${without:-none}"
with=$(made ORT_DISABLE_TELEMETRY=1)
printf 'files with ORT_DISABLE_TELEMETRY=1:\n%s\n' "${with:-none}"
for name in deviceid onnxruntime.db; do
  if ! grep -qxF "./.cache/Microsoft/DeveloperTools/.onnxruntime/$name" <<<"$without"; then
    echo "No $name is made without the variable: not as described any more." >&2
    exit 1
  fi
done
if [ -n "$with" ]; then
  echo "Files are made although the variable is set: not as described any more." >&2
  exit 1
fi
