package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"parley/worker/bundle"
)

// pull is one run of Pull, from the moment on when it is known what to fetch.
type pull struct {
	Options
	source  source
	listing *listing
	files   []File
	place   *place

	// at is the progress, told when it was told last.
	at      Progress
	told    time.Time
	fetched int64
}

// tellEvery bounds how often progress within a file is told.
const tellEvery = 100 * time.Millisecond

func (p *pull) run(ctx context.Context) (*Result, error) {
	var err error
	if p.place, err = openPlace(p.Models, p.As, placeKey(p.listing)); err != nil {
		return nil, err
	}
	defer p.place.close()
	if err := p.place.prune(p.files); err != nil {
		return nil, err
	}
	if err := p.checkSpace(); err != nil {
		return nil, err
	}
	p.at.Total = totalOf(p.files)
	records := make(map[string]bundle.FileRecord, len(p.files))
	for _, f := range p.files {
		sum, err := p.file(ctx, f)
		if err != nil {
			return nil, err
		}
		records[f.Path] = bundle.FileRecord{Size: f.Size, SHA256: sum}
	}
	target := filepath.Join(p.Models, p.As)
	if err := p.record(records); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := p.place.publish(target, p.Replace); err != nil {
		return nil, err
	}
	b, err := bundle.Open(target)
	if err != nil {
		return nil, err
	}
	p.tell(StatusDone, "")
	return &Result{Bundle: b, Commit: p.listing.commit, Files: len(p.files), Size: p.at.Total, Fetched: p.fetched}, nil
}

// checkSpace asks for room for what is still to come and a tenth more.
func (p *pull) checkSpace() error {
	free, err := p.free(p.Models)
	if err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", p.Models, err)
	}
	var missing int64
	for _, f := range p.files {
		missing += f.Size - p.place.present(f)
	}
	if need := missing + missing/10; free >= 0 && need > free {
		return fmt.Errorf("%w: %d bytes are needed and %d are free in %s; make room, or choose a smaller --precision", ErrSpace, need, free, p.Models)
	}
	return nil
}

// file brings one file into the place, whole and checked, and gives its SHA-256.
func (p *pull) file(ctx context.Context, f File) (sum string, err error) {
	if sum, err := p.kept(ctx, f); sum != "" || err != nil {
		return sum, err
	}
	fetched := false
	part, err := p.place.openPart(f, func(by int64) {
		p.at.Completed += by
		if fetched {
			p.fetched += max(0, by)
		}
		if time.Since(p.told) >= tellEvery {
			p.tell(StatusDownloading, f.Path)
		}
	})
	if err != nil {
		return "", err
	}
	// finish closes it too; a second time does no harm.
	defer func() { _ = part.file.Close() }()
	p.at.Completed += part.size
	fetched = true
	part.resumed = part.size > 0
	for {
		p.tell(StatusDownloading, f.Path)
		if err := p.source.fetch(ctx, f, part); err != nil {
			return "", fmt.Errorf("fetch %s: %w", f.Path, err)
		}
		p.tell(StatusVerifying, f.Path)
		sum, err = checkContent(ctx, f, io.NewSectionReader(part.file, 0, part.size))
		if err == nil {
			return sum, p.place.finish(f, part)
		}
		resumed := part.resumed
		if !errors.Is(err, ErrUntrusted) {
			return "", err
		}
		// What is wrong is not kept. What came in pieces may be wrong because a piece
		// was of something else, so it is fetched once more in one.
		if resetErr := part.reset(); resetErr != nil || !resumed || part.whole {
			return "", errors.Join(err, resetErr)
		}
		part.whole = true
	}
}

// kept gives the SHA-256 of a file that an earlier pull finished, "" where there is none
// or it is not what it should be.
func (p *pull) kept(ctx context.Context, f File) (string, error) {
	file, err := p.place.root.Open(p.place.finished(f))
	if err != nil {
		// What can't be opened is fetched, and that fails if it must.
		return "", nil
	}
	defer file.Close()
	p.tell(StatusVerifying, f.Path)
	sum, err := checkContent(ctx, f, file)
	// Without a digest to compare with, an old copy proves nothing.
	if errors.Is(err, ErrUntrusted) || err == nil && f.SHA256 == "" && f.Blob == "" {
		return "", p.place.root.Remove(p.place.finished(f))
	}
	if err == nil {
		p.at.Completed += f.Size
	}
	return sum, err
}

// record writes the manifest, after the bundle could be opened.
func (p *pull) record(files map[string]bundle.FileRecord) error {
	b, err := bundle.Open(p.place.bundle)
	if err != nil {
		return fmt.Errorf("%w: its description can't be read; choose another repository or revision: %w", ErrUnsuitable, err)
	}
	err = b.WriteManifest(bundle.Manifest{
		Files: files, Licence: p.listing.licence, Languages: p.listing.languages, PulledAt: time.Now().UTC().Truncate(time.Second),
		Source: &bundle.Source{Base: p.listing.base, Repository: p.listing.repository, Commit: p.listing.commit},
	})
	return onDisk(err)
}

func (p *pull) tell(status Status, file string) {
	p.at.Status, p.at.File = status, file
	p.told = time.Now()
	p.Progress(p.at)
}

// pause sleeps until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
