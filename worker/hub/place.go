package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// place is the hidden folder in which a bundle grows: MODELS/.pull-NAME-KEY with the
// finished files in NAME/ and the unfinished in .parts/. A reader of the models folder
// looks one level deep and so finds no bundle in it. Nothing in it leads out of it.
type place struct {
	root *os.Root
	// dir is the hidden folder, bundle the folder in it that becomes the bundle.
	dir, bundle string
	// name is the bundle's.
	name string
}

const (
	placePrefix = ".pull-"
	partsFolder = ".parts"
	keyLength   = 12
)

// placeKey tells the content of places apart: another commit begins anew.
func placeKey(l *listing) string {
	sum := sha256.Sum256([]byte(l.repository + "\x00" + l.commit))
	return hex.EncodeToString(sum[:])[:keyLength]
}

// openPlace makes the place or finds it as another pull left it. Places of the same
// bundle with another content are removed: the caller holds the bundle's lock.
func openPlace(models, name, key string) (*place, error) {
	own := placePrefix + name + "-" + key
	if err := sweep(models, placePrefix+name+"-", own); err != nil {
		return nil, err
	}
	dir := filepath.Join(models, own)
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is no folder; remove it", ErrRequest, dir)
	}
	for _, d := range []string{dir, filepath.Join(dir, partsFolder), filepath.Join(dir, name)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make a folder for the download: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the download's folder: %w", err)
	}
	return &place{root: root, dir: dir, bundle: filepath.Join(dir, name), name: name}, nil
}

var leftOver = regexp.MustCompile(`^[0-9a-f]+$`)

// sweep removes what killed processes left of a bundle: the hidden entries with a prefix
// and a number, but keep. The caller holds the bundle's lock.
func sweep(models, prefix, keep string) error {
	entries, err := os.ReadDir(models)
	if err != nil {
		return fmt.Errorf("read the models folder: %w", err)
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || e.Name() == keep || !leftOver.MatchString(number) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(models, e.Name())); err != nil {
			return fmt.Errorf("remove what was left of a bundle: %w", err)
		}
	}
	return nil
}

func (p *place) close() { _ = p.root.Close() }

// prune removes what is not among files: what an earlier pull of another precision left,
// and everything that is no regular file.
func (p *place) prune(files []File) error {
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[p.finished(f)] = true
		wanted[partName(f)], wanted[partName(f)+etagSuffix] = true, true
	}
	err := fs.WalkDir(p.root.FS(), ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || wanted[at] && entry.Type().IsRegular() {
			return err
		}
		return p.root.Remove(at)
	})
	if err != nil {
		return fmt.Errorf("clear the download's folder: %w", err)
	}
	return nil
}

// finished is where a file stands once it is whole and checked.
func (p *place) finished(f File) string { return path.Join(p.name, f.Path) }

// present gives the bytes of a file that are there already, finished or not.
func (p *place) present(f File) int64 {
	for _, name := range []string{p.finished(f), partName(f)} {
		if info, err := p.root.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() <= f.Size {
			return info.Size()
		}
	}
	return 0
}

// finish puts a part, checked, in its place in the bundle.
func (p *place) finish(f File, part *part) error {
	err := part.file.Sync()
	if closeErr := part.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = p.root.MkdirAll(path.Dir(p.finished(f)), 0o755)
	}
	if err == nil {
		err = p.root.Rename(partName(f), p.finished(f))
	}
	if err != nil {
		return fmt.Errorf("finish %s: %w", f.Path, onDisk(err))
	}
	if err := p.root.Remove(partName(f) + etagSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finish %s: %w", f.Path, err)
	}
	return nil
}

// publish makes the bundle visible under its name, in one step, and removes the rest of
// the place.
func (p *place) publish(target string, replace bool) error {
	if err := syncTree(p.bundle); err != nil {
		return fmt.Errorf("write the bundle to the disk: %w", onDisk(err))
	}
	if err := checkTarget(target, replace); err != nil {
		return err
	}
	var err error
	if _, statErr := os.Lstat(target); statErr == nil {
		err = exchange(p.bundle, target)
	} else {
		err = os.Rename(p.bundle, target)
	}
	if err != nil {
		return fmt.Errorf("put the bundle in its place: %w", err)
	}
	if err := syncFile(filepath.Dir(target)); err != nil {
		return fmt.Errorf("write the models folder to the disk: %w", err)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("the bundle is in its place; remove %s: %w", p.dir, err)
	}
	return nil
}

// syncTree makes the names of all files below dir survive a loss of power, as their
// content does already, and the manifest whole.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && filepath.Dir(at) != dir {
			return err
		}
		return syncFile(at)
	})
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkTarget refuses to put a bundle where something else stands.
func checkTarget(target string, replace bool) error {
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for the bundle: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a link, which is not replaced; give another name with --as, or remove the link", ErrExists, target)
	case !replace:
		return fmt.Errorf("%w: %s; replace it with --replace, or give another name with --as", ErrExists, target)
	case !isBundle(target):
		return fmt.Errorf("%w: %s is there and is no bundle, so it is not replaced; give another name with --as", ErrExists, target)
	}
	return nil
}

// isBundle tells whether dir is a folder, no link, that holds a bundle.
func isBundle(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	for _, name := range []string{"config.json", "model_index.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
