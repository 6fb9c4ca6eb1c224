package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/bench/paper"
)

// command gives the arguments of the run, without where it kept its profiles.
func (r *report) command() string {
	args := slices.Clone(r.args)
	if i := slices.Index(args, "-profile"); i >= 0 && i+1 < len(args) {
		args[i+1] = "DIR"
	}
	return strings.Join(args, " ")
}

// markdown is the whole section.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("## Models beside other systems\n\nWritten by `make bench-worker`; do not edit by hand.\n\n")
	fmt.Fprintf(&b, "- Machine: %s\n- Date: %s, %.0f minutes, load average %.1f before and %.1f at the end\n- Commit: %s\n- Command: `go run ./bench/worker %s`\n",
		r.machine, r.started.UTC().Format("2006-01-02 15:04 UTC"), r.took.Minutes(), r.load, r.loadAfter, r.commit, r.command())
	for _, name := range slices.Sorted(maps.Keys(r.versions)) {
		fmt.Fprintf(&b, "- %s: %s\n", name, r.versions[name])
	}
	if r.o.quick {
		b.WriteString("- **Quick runs: these figures are rough.**\n")
	}
	for _, m := range r.missing {
		fmt.Fprintf(&b, "- Not measured: %s.\n", m)
	}
	fmt.Fprintf(&b, method, r.o.threads)
	r.writeGoals(&b)
	r.writeWriting(&b)
	r.writeTranslation(&b)
	r.writeEmbedding(&b)
	r.writeTokenizers(&b)
	r.writeMixed(&b)
	r.writePictures(&b)
	r.writeMemory(&b)
	return b.String()
}

const method = `
The same files on the same machine in one run, %d threads a run of a model unless a table says otherwise. In each round every system does the same work in turn, while
the others idle in processes of their own; the first round is a warm-up and left out. A figure is the median over the rounds, a ratio the median of what
parley's rate is to the other's in the same round, so that above 1 parley is faster. Tokenization and decoding count on all sides. CPU is user and
system time of the whole process. *Equal* counts the texts for which both gave the same tokens. Threads of parley's runs never spin; those of
transformers.js do by its default, which takes CPU and saves time.
`

// table writes the head of one.
func table(b *strings.Builder, columns ...string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

func (r *report) writeWriting(b *strings.Builder) {
	if len(r.writing) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### A language model of a hundred million parameters\n\n%s\n\n", aboutWriting)
	table(b, "caches, weights", "prompt", "batch", "new", "tokens/s", "transformers.js", "ratio", "without spinning", "ratio", "behind the first", "transformers.js", "ratio",
		"first token, ms", "transformers.js", "CPU ms a token", "transformers.js", "without spinning", "equal", "rounds")
	for _, w := range r.writing {
		s := append(slices.Clone(w.series), make([]series, 3)...)
		a, t, calm := s[0], s[1], s[2]
		first := func(r run) float64 { return r.first.Seconds() * 1000 }
		fmt.Fprintf(b, "| %s, %s | %d | %d | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d of %d | %d |\n", w.layout, w.precision, w.prompt, w.batch, w.tokens,
			number(a.median(run.rate)), number(t.median(run.rate)), number2(ratio(a, t, run.rate)), number(calm.median(run.rate)), number2(ratio(a, calm, run.rate)),
			number(a.median(run.later)), number(t.median(run.later)), number2(ratio(a, t, run.later)), number(a.median(first)), number(t.median(first)),
			number(a.median(run.each)), number(t.median(run.each)), number(calm.median(run.each)), w.equal, w.total, w.rounds)
	}
}

const aboutWriting = `Llama's layout with random weights: 27 layers of the size of SmolLM2-135M's (width 576, 9 heads with 3 of keys, feed-forward 1,536), a vocabulary of 4,000, written by ` + "`bench/worker/llama`" + `.
*Shared* is a graph of GroupQueryAttention, which may write its caches in place, *concatenated* Optimum's, whose caches grow by a copy. q4 keeps weights in 4 bits
(MatMulNBits), fp32 in 32. Greedy, always the same number of new tokens; prompts of a batch are of one length. *Behind the first* is the rate after the first
token, without what the prompt takes; for one text at a time, because transformers.js tells of tokens only then. The goals are about this rate, and about the
faster setting of transformers.js, with threads that spin or without.`

func (r *report) writeTranslation(b *strings.Builder) {
	if len(r.translation) == 0 {
		return
	}
	b.WriteString("\n### Translations\n\ntranslate-mini with the sentences of its reference, so many at once. transformers.js ignores `num_beams`, so that there is nothing to compare four beams with.\n\n")
	table(b, "beams", "batch", "tokens/s", "transformers.js", "ratio", "to batch 1", "CPU ms a token", "transformers.js", "equal", "as the reference")
	for _, t := range r.translation {
		s := append(slices.Clone(t.series), series{})
		alike := "–"
		if len(t.series) > 1 {
			alike = fmt.Sprintf("%d of %d", t.alike, t.total)
		}
		fmt.Fprintf(b, "| %d | %d | %s | %s | %s | %s | %s | %s | %s | %d of %d |\n", t.beams, t.batch, number(s[0].median(run.rate)), number(s[1].median(run.rate)), number2(ratio(s[0], s[1], run.rate)),
			number2(r.overOne(t)), number2(s[0].median(run.each)), number2(s[1].median(run.each)), alike, t.equal, t.total)
	}
}

// overOne is how a batch's rate is to that of one at a time.
func (r *report) overOne(t *translationRow) float64 {
	for _, one := range r.translation {
		if one.beams == t.beams && one.batch == 1 {
			return ratio(t.series[0], one.series[0], run.rate)
		}
	}
	return 0
}

func (r *report) writeEmbedding(b *strings.Builder) {
	if len(r.embedding) == 0 {
		return
	}
	b.WriteString("\n### Vectors of texts\n\nbert-random has 2 layers of width 64 and short texts, minilm 6 layers of width 384 and texts of 6 to 200 words in no order; weights of minilm are int8, its arithmetic is fp32. " +
		"32 callers give one text each at the same time. hugot's Go backend, without ONNX Runtime, takes no number of threads and ran one round with a quarter of the texts. A vector is right when its cosine to the reference's is 0.9999 or more.\n\n")
	table(b, "model", "system", "right", "worst cosine")
	for _, a := range r.agreement {
		fmt.Fprintf(b, "| %s | %s | %d of %d | %.4f |\n", a.model, a.system, a.right, a.total, a.worst)
	}
	b.WriteByte('\n')
	table(b, "model", "threads", "callers", "batch", "system", "texts/s", "CPU ms a text", "parley's rate to it")
	for _, e := range r.embedding {
		for _, s := range e.series {
			fmt.Fprintf(b, "| %s | %d | %d | %d | %s | %s | %s | %s |\n", e.model, e.threads, e.callers, e.batch, s.system, number(s.median(run.rate)), number2(s.median(run.each)), number2(ratio(e.series[0], s, run.rate)))
		}
	}
}

func (r *report) writeTokenizers(b *strings.Builder) {
	if len(r.tokenizers) == 0 {
		return
	}
	b.WriteString("\n### Tokenizers\n\nDocuments of 4 KiB in 40 languages with hard cases among them, on one core. The Rust library is called from Node.js with all documents at once, on one thread; the ids stay " +
		"in Rust while the clock runs, so that only the text is copied across. It notes the place of each token in the text as well, which parley does not. *At first* is the first pass with a tokenizer that was just read, whose caches of words are empty. MB are 1,000,000 bytes of input.\n\n")
	table(b, "vocabulary", "MB/s", "Rust", "ratio", "at first, MB/s", "Rust", "ratio", "CPU ms a MB", "Rust", "equal")
	for _, t := range r.tokenizers {
		a, s := t.series[0], t.series[1]
		each := func(s series) string { return number(s.median(run.each) * 1e6) }
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d of %d |\n", t.name, number2(a.median(megabytes)), number2(s.median(megabytes)), number2(ratio(a, s, megabytes)),
			number2(t.fresh[0].median(megabytes)), number2(t.fresh[1].median(megabytes)), number2(ratio(t.fresh[0], t.fresh[1], megabytes)), each(a), each(s), t.equal, t.total)
	}
}

func (r *report) writeMixed(b *strings.Builder) {
	if len(r.mixed) == 0 {
		return
	}
	b.WriteString("\n### First tokens and cancelling under mixed load\n\nIn one process, as in the worker: the language model above (shared, q4), translate-mini and lcm-random. *Beside the others*: all other kinds go on without a pause, and a text " +
		"behind a prompt of 512 tokens is written besides. *Beside prompts of 2,000*: the same model reads one prompt of 2,000 tokens after the other and nothing else goes on; the short ones come at various moments of it. The first sign is the first token, translated sentence or step. Cancelled 0 to 27 ms after it, a call has ended when it returns; what it ran stops at the next operator or step.\n\n")
	table(b, "work", "first sign p50 ms", "p99 ms", "cancelled p50 ms", "p99 ms", "times")
	for _, m := range r.mixed {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d |\n", m.what, paper.Millis(quantile(m.first, 0.5)), paper.Millis(quantile(m.first, 0.99)), paper.Millis(quantile(m.cancel, 0.5)), paper.Millis(quantile(m.cancel, 0.99)), len(m.first))
	}
}

func (r *report) writePictures(b *strings.Builder) {
	if len(r.pictures) == 0 {
		return
	}
	b.WriteString("\n### Pictures\n\nlcm-random, a latent consistency model of toy size. transformers.js has no pipeline that draws, hugot neither, so that nothing is compared.\n\n")
	table(b, "size", "steps", "pictures a minute", "CPU ms a picture")
	for _, p := range r.pictures {
		fmt.Fprintf(b, "| %d × %d | %d | %s | %s |\n", p.side, p.side, p.steps, number(60*p.series.median(run.rate)), number(p.series.median(run.each)))
	}
}

func (r *report) writeMemory(b *strings.Builder) {
	if len(r.memory) == 0 {
		return
	}
	b.WriteString("\n### Resident memory\n\n`parley serve` on a fresh data folder with translate-mini alone, in MiB by what the mappings are, each start when it is ready and after a translation.\n\n")
	columns := []string{"of it"}
	for i := range r.memory {
		columns = append(columns, fmt.Sprintf("start %d, ready", i+1), "translated")
	}
	table(b, columns...)
	for _, kind := range memoryKinds {
		fmt.Fprintf(b, "| %s |", kind)
		for _, m := range r.memory {
			fmt.Fprintf(b, " %.1f | %.1f |", mib(m.ready[kind]), mib(m.after[kind]))
		}
		b.WriteByte('\n')
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// number writes a figure, a dash where there is none.
func number(v float64) string {
	if v == 0 {
		return "–"
	}
	return paper.Thousands(v)
}

// number2 is number with two digits behind the point, for what is small.
func number2(v float64) string {
	if v == 0 || v >= 100 {
		return number(v)
	}
	return fmt.Sprintf("%.2f", v)
}
