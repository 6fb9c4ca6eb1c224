// Writes what the Rust library "tokenizers" (by way of npm's build of it) gives
// for every vocabulary of a testdata folder:
//
//   node golden.mjs SHARED TESTDATA
//
// TESTDATA/FAMILY/ids.jsonl.zst has {"ids", "decoded"} a line; decoded, which is
// without special tokens, is left out where it equals the text. The texts are
// the ones that texts() makes and then those of SHARED/models/tokenizers.
// TESTDATA/FAMILY/decoded.jsonl.zst has the text of ids that make no sense.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compress, decompress, init } from "@bokuweb/zstd-wasm";
import tokenizers from "tokenizers";

await init();
const [shared, testdata] = process.argv.slice(2);
const unpack = (path) => Buffer.from(decompress(readFileSync(path))).toString("utf8");
const pack = (path, lines) => writeFileSync(path, compress(Buffer.from(lines.join("\n") + "\n"), 19));

// generator gives the numbers of a linear congruential generator, as
// oracle_test.go does.
function generator() {
  let state = 1;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
}

// texts puts fragments together.
function texts(fragments) {
  const draw = generator();
  const out = [...fragments];
  const between = ["", "", "", " ", " ", "  ", "\n"];
  while (out.length < 1100) {
    let text = "";
    const joiner = between[draw(between.length)];
    for (let i = draw(8) + 2; i > 0; i--) {
      text += fragments[draw(fragments.length)] + joiner;
    }
    out.push(out.length % 50 === 0 ? text.repeat(20) : text);
  }
  return out;
}

const fragments = JSON.parse(readFileSync(join(testdata, "fragments.json"), "utf8"));
const own = texts(fragments);
const given = unpack(join(shared, "models/tokenizers/strings.jsonl.zst")).trimEnd().split("\n").map((l) => JSON.parse(l));
const charsmap = unpack(join(testdata, "charsmap.zst"));

async function golden(file, list) {
  const t = tokenizers.Tokenizer.fromString(file);
  t.disableTruncation();
  t.disablePadding();
  const lines = [];
  for (const text of list) {
    const ids = (await t.encode(text, null, { addSpecialTokens: true })).getIds();
    const decoded = ids.length ? await t.decode(ids, true) : "";
    lines.push(JSON.stringify(decoded === text ? { ids } : { ids, decoded }));
  }
  return lines;
}

async function decoded(file) {
  const t = tokenizers.Tokenizer.fromString(file);
  const size = t.getVocabSize(true);
  const draw = generator();
  const lines = [];
  for (let i = 0; i < 500; i++) {
    // Every other time from the front, where bytes and special tokens are.
    const ids = Array.from({ length: draw(12) + 1 }, () => draw(i % 2 ? size : Math.min(size, 270)));
    lines.push(JSON.stringify(await t.decode(ids, true)));
  }
  return lines;
}

for (const family of readdirSync(testdata)) {
  const path = join(testdata, family, "tokenizer.json.zst");
  if (!existsSync(path)) continue;
  const file = unpack(path).replaceAll("@charsmap", charsmap);
  pack(join(testdata, family, "decoded.jsonl.zst"), await decoded(file));
  const lines = await golden(file, [...own, ...given]);
  pack(join(testdata, family, "ids.jsonl.zst"), lines);
  console.log(family, lines.length);
}
const { model, parts } = JSON.parse(unpack(join(testdata, "parts", "parts.json.zst")));
const lines = [];
for (const name of Object.keys(parts).sort()) {
  lines.push(...(await golden(JSON.stringify({ ...parts[name], model }), own)));
}
pack(join(testdata, "parts", "ids.jsonl.zst"), lines);
console.log("parts", lines.length);
