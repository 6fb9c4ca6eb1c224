package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// translationRow is translations by so many at once, with a number of beams.
type translationRow struct {
	beams, batch int
	series       []series
	// equal of total translations are the same as the reference's, and alike of total
	// the same as those of transformers.js.
	equal, alike, total int
}

// sentence is an input of the bundle's reference with the outputs by the number of beams,
// without the start token.
type sentence struct {
	input  string
	output map[int][]int64
}

// measureTranslation translates the sentences of translate-mini's reference, greedy and
// with four beams. transformers.js has no beams.
func measureTranslation(ctx context.Context, o options, r *report) (err error) {
	dir := filepath.Join(o.root, "models", "translate-mini")
	sentences, err := readSentences(filepath.Join(dir, "reference.json"))
	if err != nil {
		return err
	}
	mine, err := openOurs(ctx, dir, false, o.threads)
	if err != nil {
		return err
	}
	systems := []named{{parley, mine}}
	defer func() { err = errors.Join(err, closeAll(systems)) }()
	other, err := openTheirs(ctx, o, dir, false, true)
	if err != nil {
		return err
	}
	r.versions["transformers.js"] = other.version
	systems = append(systems, named{transformers, other})
	for _, beams := range []int{1, 4} {
		for _, batch := range []int{1, 8, 32} {
			row := &translationRow{beams: beams, batch: batch}
			for _, s := range systems[:pick(options{quick: beams > 1}, 2, 1)] {
				row.series = append(row.series, series{system: s.name})
			}
			r.translation = append(r.translation, row)
		}
	}
	// All rows in one round, so that they compare with each other.
	for round := -1; round < pick(o, 5, 3); round++ {
		for _, row := range r.translation {
			if err := row.round(ctx, systems, sentences, round >= 0); err != nil {
				return err
			}
		}
	}
	for _, row := range r.translation {
		fmt.Println(row.line())
	}
	return nil
}

func readSentences(file string) ([]sentence, error) {
	data, err := os.ReadFile(file) //nolint:gosec // beside the model
	if err != nil {
		return nil, err
	}
	var reference struct {
		Cases []struct {
			Input    string `json:"input"`
			Settings struct {
				NumBeams int `json:"num_beams"`
			} `json:"settings"`
			Output []int64 `json:"output_ids"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &reference); err != nil {
		return nil, err
	}
	var all []sentence
	for _, c := range reference.Cases {
		at := slices.IndexFunc(all, func(s sentence) bool { return s.input == c.Input })
		if at < 0 {
			at, all = len(all), append(all, sentence{input: c.Input, output: map[int][]int64{}})
		}
		if len(c.Output) > 0 {
			all[at].output[c.Settings.NumBeams] = c.Output[1:]
		}
	}
	// A multiple of the batches.
	if len(all) < 32 {
		return nil, fmt.Errorf("%s has only %d sentences", file, len(all))
	}
	return all[:len(all)/32*32], nil
}

func (t *translationRow) round(ctx context.Context, systems []named, sentences []sentence, counts bool) error {
	settings := fmt.Sprintf(`{"do_sample": false, "num_beams": %d, "max_new_tokens": 128}`, t.beams)
	outputs := make([][][]int64, len(t.series))
	for i := range t.series {
		var whole run
		for part := range slices.Chunk(sentences, t.batch) {
			texts := make([]string, len(part))
			for j, s := range part {
				texts[j] = s.input
			}
			out, err := systems[i].generate(ctx, texts, settings)
			if err != nil {
				return fmt.Errorf("%s: %w", systems[i].name, err)
			}
			whole.units += out.run.units
			whole.took += out.run.took
			whole.cpu += out.run.cpu
			outputs[i] = append(outputs[i], out.outputs...)
		}
		if counts {
			t.series[i].runs = append(t.series[i].runs, whole)
		}
	}
	wanted := make([][]int64, len(sentences))
	for i, s := range sentences {
		wanted[i] = s.output[t.beams]
	}
	t.equal, t.total = equalRows(outputs[0], wanted)
	if len(outputs) > 1 {
		t.alike, _ = equalRows(outputs[0], outputs[1])
	}
	return nil
}

func (t *translationRow) line() string {
	line := fmt.Sprintf("%d beams, batch %d: %.0f tokens/s, CPU ms a token %.2f; as the reference %d of %d", t.beams, t.batch, t.series[0].median(run.rate), t.series[0].median(run.each), t.equal, t.total)
	if len(t.series) > 1 {
		line += fmt.Sprintf("; transformers.js %.0f, %.2f, ratio %.2f, alike %d", t.series[1].median(run.rate), t.series[1].median(run.each), ratio(t.series[0], t.series[1], run.rate), t.alike)
	}
	return line
}
