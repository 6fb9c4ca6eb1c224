package pipeline

import (
	"fmt"

	"parley/worker/bundle"
)

// Findings are what was found out about one bundle before it is trusted.
type Findings struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Runnable is false for a kind that no family runs, of which the files are
	// checked alone.
	Runnable bool               `json:"runnable"`
	Files    []bundle.FileCheck `json:"files"`
	// Loaded and LoadMillis tell whether and how fast the model loaded.
	Loaded     bool  `json:"loaded"`
	LoadMillis int64 `json:"loadMillis"`
	// Reference is false when no reference.json stands beside the model.
	Reference bool  `json:"reference"`
	Cases     Tally `json:"cases"`
	Batch     Tally `json:"batch"`
	Tokens    Tally `json:"tokens"`
	Chats     Tally `json:"chats"`
	Pictures  Tally `json:"pictures"`
	// Problems are sentences, the worst first; Differences tell the cases that
	// came out otherwise, at most maxDifferences of them.
	Problems    []string `json:"problems"`
	Differences []string `json:"differences"`
	OK          bool     `json:"ok"`
}

// Tally counts compared cases.
type Tally struct {
	Total int `json:"total"`
	Equal int `json:"equal"`
}

const maxDifferences = 10

// Tallies are all that was compared: cases, batch, tokens, chats and pictures.
func (f *Findings) Tallies() []Tally {
	return []Tally{f.Cases, f.Batch, f.Tokens, f.Chats, f.Pictures}
}

// Digests sums up the files: "ok", "not recorded", or how many are bad.
func (f *Findings) Digests() string {
	bad, recorded := 0, 0
	for _, file := range f.Files {
		if !file.OK {
			bad++
		}
		if file.Digest == "ok" {
			recorded++
		}
	}
	switch {
	case bad > 0:
		return fmt.Sprintf("%d bad", bad)
	case recorded == 0:
		return "not recorded"
	case recorded < len(f.Files):
		return fmt.Sprintf("%d ok, %d not recorded", recorded, len(f.Files)-recorded)
	}
	return "ok"
}

// Problem adds what is wrong with the bundle.
func (f *Findings) Problem(err error) { f.Problems = append(f.Problems, err.Error()) }

// Count adds a compared case, with words for a difference.
func (f *Findings) Count(t *Tally, equal bool, format string, args ...any) {
	t.Total++
	if equal {
		t.Equal++
	} else if len(f.Differences) < maxDifferences {
		f.Differences = append(f.Differences, fmt.Sprintf(format, args...))
	}
}
