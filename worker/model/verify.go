package model

import (
	"context"
	"path/filepath"

	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// Verify checks a bundle as one would want before trusting it: its files and
// digests, and, where a family runs its kind, that it loads and that every case of
// its reference.json comes out equal. What is wrong stands in the findings; the
// error is that of ctx.
func Verify(ctx context.Context, dir string, o pipeline.Options) (*pipeline.Findings, error) {
	found := &pipeline.Findings{Dir: dir, Name: filepath.Base(dir)}
	b, err := bundle.Open(dir)
	if err != nil {
		found.Problem(err)
		return found, ctx.Err()
	}
	f, runnable := familyOf(families, b.Kind)
	found.Name, found.Kind, found.Runnable = b.Name, string(b.Kind), runnable
	if found.Files, err = b.Check(); err != nil {
		found.Problem(err)
	}
	if runnable && err == nil {
		if err := f.verify(ctx, b, o, found); err != nil {
			found.Problem(err)
		}
	}
	found.OK = len(found.Problems) == 0 && len(found.Differences) == 0
	return found, ctx.Err()
}
