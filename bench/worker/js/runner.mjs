// Runs transformers.js and the Rust tokenizers for the comparison of `make bench-worker`. It
// reads a JSON object a line and answers with one a line, as bench/worker/remote.go says.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

// What libraries print must not stand between the answers.
console.log = console.info = console.warn = console.error;

const version = (name) => JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version;

let hub;
async function library() {
  if (!hub) {
    hub = await import("@huggingface/transformers");
    hub.env.allowRemoteModels = false;
  }
  return hub;
}

// timed measures wall and CPU time of the whole process.
async function timed(work) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const result = await work(begun);
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - begun) / 1000, cpu: (used.user + used.system) / 1e6, ...result };
}

let tokenizer, model, extract;

const orders = {
  async load({ task, dir, threads, spinning }) {
    const { AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, env, pipeline } = await library();
    env.localModelPath = dirname(dir);
    const name = basename(dir);
    const session_options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
    if (!spinning) {
      session_options.extra = { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } };
    }
    const options = { dtype: "fp32", device: "cpu", session_options };
    if (task === "embed") {
      extract = await pipeline("feature-extraction", name, options);
    } else {
      tokenizer = await AutoTokenizer.from_pretrained(name);
      model = await (task === "write" ? AutoModelForCausalLM : AutoModelForSeq2SeqLM).from_pretrained(name, options);
    }
    return { version: `${version("@huggingface/transformers")} on onnxruntime-node ${version("onnxruntime-node")}` };
  },

  // generate writes behind texts; first is when the first token was there, from the start.
  async generate({ texts, settings }) {
    return timed(async (begun) => {
      let first = 0;
      let steps = 0;
      // The first call brings the prompt, or the start token.
      const streamer = {
        put() {
          if (++steps === 2) first = (performance.now() - begun) / 1000;
        },
        end() {},
      };
      const inputs = tokenizer(texts, { padding: true });
      const ids = await model.generate({ ...inputs, ...settings, ...(texts.length === 1 ? { streamer } : {}) });
      tokenizer.batch_decode(ids, { skip_special_tokens: true });
      return { first, inputs: inputs.input_ids.tolist().map((row) => row.map(Number)), outputs: ids.tolist().map((row) => row.map(Number)) };
    });
  },

  async embed({ texts, batch, callers }) {
    const vectors = new Array(texts.length);
    const answer = await timed(async () => {
      let next = 0;
      const call = async () => {
        while (next < texts.length) {
          const at = next;
          next += batch;
          const got = await extract(texts.slice(at, at + batch), { pooling: "mean", normalize: true });
          got.tolist().forEach((v, i) => (vectors[at + i] = v));
        }
      };
      await Promise.all(Array.from({ length: callers }, call));
      return {};
    });
    return { ...answer, vectors };
  },

  // The Rust library, on one thread by TOKENIZERS_PARALLELISM. Ids stay in Rust while the
  // clock runs; what crosses is the texts, copied once.
  async rust({ file, texts, ids }) {
    const { Tokenizer } = (await import("tokenizers")).default;
    if (file) {
      tokenizer = Tokenizer.fromFile(file);
      tokenizer.disableTruncation();
      tokenizer.disablePadding();
    }
    let encoded;
    const answer = await timed(async () => {
      encoded = await tokenizer.encodeBatch(texts, { addSpecialTokens: true });
      return {};
    });
    const outputs = ids ? encoded.map((e) => e.getIds()) : undefined;
    return { ...answer, outputs, version: version("tokenizers") };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = await orders[order.do](order);
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
