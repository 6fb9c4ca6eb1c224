package main

import (
	"slices"
	"time"
)

// report collects the figures.
type report struct {
	o               options
	args            []string
	machine, commit string
	started         time.Time
	took            time.Duration
	load, loadAfter float64
	// versions are those of the other systems by name.
	versions map[string]string
	// missing says what could not be measured here, and why.
	missing []string

	writing     []*writingRow
	translation []*translationRow
	embedding   []*embeddingRow
	agreement   []agreement
	tokenizers  []*tokenizerRow
	mixed       []*mixedRow
	pictures    []*pictureRow
	memory      []*memoryRow
}

// lacks notes once what could not be measured.
func (r *report) lacks(what string) {
	if !slices.Contains(r.missing, what) {
		r.missing = append(r.missing, what)
	}
}
