package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"parley/worker/bundle"
)

// folder is a local copy: a bundle's folder, or a repository in a hub's cache, where
// snapshots/COMMIT/PATH are links to blobs/DIGEST.
type folder struct {
	root *os.Root
	// inside is the folder of the files below root.
	inside     string
	repository Repository
	commit     string
	// cached says that links to blobs are followed, and that their names are digests.
	cached bool
}

// openFolder finds the repository: From may be a bundle, a cache with the repository in
// it, or the repository's folder in a cache.
func openFolder(o Options) (*folder, error) {
	dir := o.From
	if isBundle(dir) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("%w: open %s: %w", ErrMissing, dir, err)
		}
		return &folder{root: root, inside: ".", repository: o.Repository}, nil
	}
	name := "models--" + o.Repository.Owner + "--" + o.Repository.Name
	if filepath.Base(dir) != name {
		dir = filepath.Join(dir, name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is neither a bundle with a config.json nor a hub's cache with %s in it; give another folder with --from: %w", ErrMissing, o.From, name, err)
	}
	f := &folder{root: root, repository: o.Repository, cached: true}
	if err := f.findSnapshot(); err != nil {
		_ = root.Close()
		return nil, err
	}
	return f, nil
}

// findSnapshot reads which commit the revision stands for.
func (f *folder) findSnapshot() error {
	f.commit = f.repository.Revision
	if ref, err := f.root.Open(path.Join("refs", f.repository.Revision)); err == nil {
		defer ref.Close()
		data, err := io.ReadAll(io.LimitReader(ref, 100))
		if err != nil {
			return fmt.Errorf("read the revision %s of the cache: %w", f.repository.Revision, err)
		}
		f.commit = strings.TrimSpace(string(data))
	}
	f.inside = path.Join("snapshots", f.commit)
	if !commitHash.MatchString(f.commit) {
		return fmt.Errorf("%w: the cache has no revision %s of %s; give one of its commits", ErrMissing, f.repository.Revision, f.repository.ID())
	}
	if info, err := f.root.Stat(f.inside); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: the cache has no files of %s at the commit %s; give another one", ErrMissing, f.repository.ID(), f.commit)
	}
	return nil
}

func (f *folder) close() { _ = f.root.Close() }

func (f *folder) list(ctx context.Context) (*listing, error) {
	l := &listing{base: "folder", repository: f.repository.ID(), commit: f.commit}
	m, err := f.manifest()
	if err != nil {
		return nil, err
	}
	card := f.card()
	l.licence, l.languages = cmp.Or(m.Licence, licenceIn(card, nil)), append(m.Languages, card.Language...)
	if m.Source != nil && m.Source.Repository == l.repository {
		l.commit = m.Source.Commit
	}
	err = fs.WalkDir(f.root.FS(), f.inside, func(at string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case at != f.inside && isHidden(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		return f.add(l, m, at, entry)
	})
	if err != nil {
		return nil, err
	}
	return l, missingFile(l, m)
}

// manifest reads the bundle's, which may be missing.
func (f *folder) manifest() (*bundle.Manifest, error) {
	if f.cached {
		return &bundle.Manifest{}, nil
	}
	b := &bundle.Bundle{Dir: f.root.Name()}
	m, err := b.Manifest()
	if err != nil {
		return nil, fmt.Errorf("%w: the folder's manifest can't be read; remove it or take another folder: %w", ErrUntrusted, err)
	}
	return m, nil
}

// maxCard bounds how much of a README is read.
const maxCard = 1 << 20

// card is what the README says, empty where there is none.
func (f *folder) card() cardData {
	file, err := f.root.Open(path.Join(f.inside, "README.md"))
	if err != nil {
		return cardData{}
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxCard))
	if err != nil {
		return cardData{}
	}
	return readCard(data)
}

// missingFile refuses a bundle without a file of its manifest.
func missingFile(l *listing, m *bundle.Manifest) error {
	there := map[string]bool{}
	for _, f := range l.files {
		there[f.Path] = true
	}
	for name := range m.Files {
		if !there[name] {
			return fmt.Errorf("%w: %.80q of the manifest is not in the folder; copy the bundle anew", ErrUntrusted, name)
		}
	}
	return nil
}

// add lists a file with what is known of its content.
func (f *folder) add(l *listing, m *bundle.Manifest, at string, entry fs.DirEntry) error {
	name := strings.TrimPrefix(strings.TrimPrefix(at, f.inside), "/")
	if f.inside == "." {
		name = at
	}
	file := File{Path: name}
	if entry.Type()&fs.ModeSymlink != 0 {
		blob, err := f.blob(at)
		if err != nil {
			return err
		}
		switch {
		case sha256Digits.MatchString(blob):
			file.SHA256 = blob
		case sha1Digits.MatchString(blob):
			file.Blob = blob
		}
	}
	info, err := f.root.Stat(at)
	if err != nil {
		return fmt.Errorf("%w: %w; copy the folder anew", ErrUntrusted, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %.80q is no file; remove it from the folder", ErrUntrusted, name)
	}
	file.Size = info.Size()
	if record, ok := m.Files[name]; ok {
		if record.Size != file.Size {
			return fmt.Errorf("%w: the length of %.80q is %d instead of %d bytes; copy the bundle anew", ErrUntrusted, name, file.Size, record.Size)
		}
		file.SHA256 = strings.ToLower(record.SHA256)
	}
	return l.add(file)
}

// blob gives the name of the blob that a link of a cache leads to, which is its digest.
func (f *folder) blob(at string) (string, error) {
	target, err := f.root.Readlink(at)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	target = filepath.ToSlash(target)
	if !f.cached || path.IsAbs(target) || path.Dir(path.Join(path.Dir(at), target)) != "blobs" {
		return "", fmt.Errorf("%w: %.80q is a link, which is not followed; copy the file itself", ErrUntrusted, at)
	}
	return path.Base(target), nil
}

// fetch copies a file, always from its beginning.
func (f *folder) fetch(ctx context.Context, file File, p *part) error {
	from, err := f.root.Open(path.Join(f.inside, file.Path))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	defer from.Close()
	if err := p.reset(); err != nil {
		return err
	}
	// One byte more than there should be is enough for the check to see.
	_, err = io.CopyBuffer(p, &contextReader{ctx, io.LimitReader(from, file.Size+1)}, make([]byte, 256<<10))
	if err != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}
