// Package hub fetches model bundles: from a Hugging Face hub or a mirror with the same
// paths, or from a local folder. Pull is the only thing in parley that ever downloads
// a model, and it is called by `parley models pull` and by the job of pullModel alone: no
// start of a server or a worker and no other job fetches anything.
//
// A hub is asked for a commit (/api/models/REPO/revision/REV) and for its files with their
// sizes and digests (/api/models/REPO/tree/COMMIT); all that is not known, bounded and
// allowed by then is never asked for. Files come from /REPO/resolve/COMMIT/PATH into a
// hidden folder, which becomes the bundle by one rename when every file is what the
// commit says. The hub's paths and headers are those of huggingface.co, described at
// https://huggingface.co/docs/hub/api.
package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"parley/worker/bundle"
)

// DefaultBase is the public hub.
const DefaultBase = "https://huggingface.co"

// What Options assumes where it says nothing.
const (
	DefaultMaxFiles = 200
	DefaultMaxBytes = 20 << 30
	DefaultStall    = time.Minute
	DefaultAttempts = 6
)

// Options say what to pull, from where, and within which bounds.
type Options struct {
	// Models is the folder of the bundles; it is made where it is missing.
	Models string
	// Repository is what to pull.
	Repository Repository
	// As is the bundle's name, which is its folder's; "" takes the repository's.
	As string
	// From is a hub's address (http or https) or a local folder: a bundle, or a hub's
	// cache with models--OWNER--NAME in it. "" is DefaultBase.
	From string
	// Token is sent to the hub's own host and nowhere else.
	Token string
	// Precision is one of bundle.Precisions; "" takes the exactest that there is.
	Precision string
	// Replace allows to put the bundle in the place of another one of its name.
	Replace bool
	// MaxFiles and MaxBytes bound what is fetched; 0 is the default.
	MaxFiles int
	MaxBytes int64
	// Stall is how long a server may send nothing; 0 is the default.
	Stall time.Duration
	// Attempts is how often in a row a request may fail; 0 is the default.
	Attempts int
	// Progress is told what happens, by one goroutine, in order; it may be nil.
	Progress func(Progress)

	// free gives the bytes that are free on a folder's disk, -1 where nothing tells.
	free func(dir string) (int64, error)
	// wait sleeps until ctx ends.
	wait func(ctx context.Context, d time.Duration) error
}

// Status is a step of a pull.
type Status string

// The steps, in their order; the middle ones alternate, file by file.
const (
	StatusListing     Status = "listing"
	StatusDownloading Status = "downloading"
	StatusVerifying   Status = "verifying"
	StatusDone        Status = "done"
)

// Progress is how far a pull is.
type Progress struct {
	Status Status `json:"status"`
	// File is the file in work, "" for the whole.
	File string `json:"file,omitempty"`
	// Completed and Total are bytes of all files; Total is 0 while they are not known.
	Completed int64 `json:"completed"`
	Total     int64 `json:"total"`
}

// Result is a bundle that was pulled.
type Result struct {
	Bundle *bundle.Bundle
	// Commit is the repository's, "" where a folder told none.
	Commit string
	// Files and Size are how many files the bundle has, and their bytes.
	Files int
	Size  int64
	// Fetched is the bytes that came over the wire or were copied this time.
	Fetched int64
}

// The kinds of failure; every error of Pull and Remove wraps one of them, the end of the
// context, or one of the operating system.
var (
	// ErrRequest says that what was asked for can't be: a name, an address, a precision.
	ErrRequest = errors.New("this can't be done")
	// ErrExists says that there is a bundle of that name.
	ErrExists = errors.New("the bundle exists")
	// ErrBusy says that the bundle is being pulled or removed by another process.
	ErrBusy = errors.New("the bundle is busy")
	// ErrMissing says that there is no such repository, revision, file or bundle.
	ErrMissing = errors.New("not found")
	// ErrDenied says that the hub wants a token, or another one.
	ErrDenied = errors.New("the hub denies it")
	// ErrUnsuitable says that the repository holds no bundle that could be used.
	ErrUnsuitable = errors.New("the repository is no bundle")
	// ErrBound says that a bound of Options is too small for it.
	ErrBound = errors.New("it is too much")
	// ErrSpace says that the disk is too full.
	ErrSpace = errors.New("the disk is too full")
	// ErrUntrusted says that what came is not what it should be.
	ErrUntrusted = errors.New("this can't be trusted")
	// ErrUnreachable says that the hub did not answer as it should, time after time.
	ErrUnreachable = errors.New("the hub can't be reached")
)

// withDefaults checks the options and fills in what they leave open.
func (o Options) withDefaults() (Options, error) {
	if o.As == "" {
		o.As = o.Repository.Name
	}
	if err := o.Repository.check(); err != nil {
		return o, err
	}
	if err := checkBundleName(o.As); err != nil {
		return o, err
	}
	if o.From == "" {
		o.From = DefaultBase
	}
	if o.Repository.Revision == "" {
		o.Repository.Revision = defaultRevision
	}
	setDefault(&o.MaxFiles, DefaultMaxFiles)
	setDefault(&o.MaxBytes, DefaultMaxBytes)
	setDefault(&o.Stall, DefaultStall)
	setDefault(&o.Attempts, DefaultAttempts)
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.free == nil {
		o.free = freeSpace
	}
	if o.wait == nil {
		o.wait = pause
	}
	return o, nil
}

func setDefault[T int | int64 | time.Duration](value *T, normal T) {
	if *value <= 0 {
		*value = normal
	}
}

// Pull fetches a bundle into the models folder. It is there whole or not at all: what an
// end of the context, of the process or of the network leaves behind is hidden, and the
// next Pull of the same commit goes on from there.
func Pull(ctx context.Context, o Options) (*Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Models, 0o755); err != nil {
		return nil, fmt.Errorf("make the models folder: %w", err)
	}
	unlock, err := lock(o.Models, o.As)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := checkTarget(filepath.Join(o.Models, o.As), o.Replace); err != nil {
		return nil, err
	}
	from, err := openSource(o)
	if err != nil {
		return nil, err
	}
	defer from.close()
	o.Progress(Progress{Status: StatusListing})
	all, err := from.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", o.Repository, err)
	}
	chosen, err := choose(all.files, o.Precision)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Repository, err)
	}
	if err := checkBounds(chosen, o); err != nil {
		return nil, err
	}
	p := &pull{Options: o, source: from, listing: all, files: chosen}
	return p.run(ctx)
}

// checkBounds refuses what is more than the options allow.
func checkBounds(files []File, o Options) error {
	if len(files) > o.MaxFiles {
		return fmt.Errorf("%w: the bundle has %d files and %d are allowed; raise the bound with --max-files if you trust it", ErrBound, len(files), o.MaxFiles)
	}
	if total := totalOf(files); total > o.MaxBytes {
		return fmt.Errorf("%w: the bundle has %d bytes and %d are allowed; choose a smaller --precision, or raise the bound with --max-bytes", ErrBound, total, o.MaxBytes)
	}
	return nil
}
