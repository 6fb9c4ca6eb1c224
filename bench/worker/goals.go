package main

import (
	"fmt"
	"strings"

	"parley/bench/worker/llama"
)

// goal is something that a figure shall reach.
type goal struct {
	what   string
	figure string
	met    bool
}

// memoryGoal is half of what parley took when the goal was set, in bytes.
const memoryGoal = 243 << 20 / 2

// goals are those whose figures were measured.
func (r *report) goals() []goal {
	var all []goal
	least := func(what string, got, want float64) {
		if got > 0 {
			all = append(all, goal{fmt.Sprintf("%s, %.1f times", what, want), fmt.Sprintf("%.2f", got), got >= want})
		}
	}
	for _, w := range r.writing {
		if w.layout != llama.Shared || w.batch != 1 {
			continue
		}
		want := map[int]float64{32: 1.5, 512: 2.5}[w.prompt]
		got := ratio(w.series[0], w.series[1], run.later)
		for _, calm := range w.series[2:] { // the faster of its two settings counts
			got = min(got, ratio(w.series[0], calm, run.later))
		}
		least(fmt.Sprintf("tokens behind the first, caches shared, %s, prompt of %d: to transformers.js", w.precision, w.prompt), got, want)
	}
	for _, t := range r.translation {
		if t.batch == 32 {
			least(fmt.Sprintf("translations, %d beams, batch 32: to one by one", t.beams), r.overOne(t), 4)
		}
	}
	for _, e := range r.embedding {
		for _, s := range e.series {
			switch {
			case s.system != hugotORT:
			case e.batch == 32:
				least(fmt.Sprintf("vectors, %s, %d threads, batch 32: to hugot's ORT backend", e.model, e.threads), ratio(e.series[0], s, run.rate), 1)
			case e.callers == 32:
				least(fmt.Sprintf("vectors, %s, %d threads, 32 callers: to hugot's ORT backend", e.model, e.threads), ratio(e.series[0], s, run.rate), 2)
			}
		}
	}
	for _, t := range r.tokenizers {
		least("tokenizer, "+t.name+": to the Rust library", min(ratio(t.series[0], t.series[1], megabytes), ratio(t.fresh[0], t.fresh[1], megabytes)), 1)
	}
	if len(r.memory) > 0 {
		got := r.memory[0].after[total]
		for _, m := range r.memory {
			got = max(got, m.after[total])
		}
		all = append(all, goal{fmt.Sprintf("resident memory with translate-mini, %.0f MiB at most", mib(memoryGoal)), fmt.Sprintf("%.0f MiB", mib(got)), got <= memoryGoal})
	}
	return all
}

func (r *report) writeGoals(b *strings.Builder) {
	goals := r.goals()
	if len(goals) == 0 {
		return
	}
	b.WriteString("\n### Goals\n\n")
	table(b, "goal", "figure", "reached")
	for _, g := range goals {
		word := "**no**"
		if g.met {
			word = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", g.what, g.figure, word)
	}
}
