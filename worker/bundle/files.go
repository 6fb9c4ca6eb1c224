package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of a folder: how many files it may have, and how many folders that are links may
// lie in each other.
const (
	maxFiles = 10_000
	maxLinks = 4
)

// walk collects the files of a bundle.
type walk struct {
	found map[string]bool
	// roots are the folders, without links in their names, that links may point into.
	roots []string
}

// files gives the files under dir but the manifest and hidden ones, by their paths with
// forward slashes. Links are followed to what lies below the folder that the bundle lies
// in, or below the repository in the layout of a hub's cache (snapshots/COMMIT with links
// into blobs). One that points elsewhere is ErrBroken; one that points nowhere is listed.
// Other errors are ErrMissing.
func files(dir string) (map[string]bool, error) {
	found, err := follow(dir)
	if err != nil && !errors.Is(err, ErrBroken) {
		err = fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return found, err
}

func follow(dir string) (map[string]bool, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	w := walk{found: map[string]bool{}, roots: []string{real}}
	for _, folder := range []string{dir, real} {
		if parent, err := filepath.EvalSymlinks(filepath.Dir(folder)); err == nil && parent != filepath.Dir(parent) {
			w.roots = append(w.roots, parent)
		}
	}
	if parent := filepath.Dir(real); filepath.Base(parent) == "snapshots" {
		w.roots = append(w.roots, filepath.Join(filepath.Dir(parent), "blobs"))
	}
	return w.found, w.folder(real, "", 0)
}

// folder collects the files of a folder, whose path in the bundle is name; links tells how
// many links lead there.
func (w *walk) folder(dir, name string, links int) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil || entry.IsDir() {
			return err
		}
		inside := filepath.Join(name, relative)
		if entry.Type()&fs.ModeSymlink != 0 {
			return w.link(path, inside, links)
		}
		return w.add(inside)
	})
}

func (w *walk) add(name string) error {
	if name != manifestFile {
		w.found[filepath.ToSlash(name)] = true
	}
	if len(w.found) > maxFiles {
		return fmt.Errorf("%w: the folder has more than %d files", ErrBroken, maxFiles)
	}
	return nil
}

// link follows a link at path, whose path in the bundle is name.
func (w *walk) link(path, name string, links int) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return w.add(name)
	}
	if !w.allows(target) {
		return fmt.Errorf("%w: %s is a link that points out of the models folder", ErrBroken, name)
	}
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return w.add(name)
	case links >= maxLinks || below(path, target):
		return fmt.Errorf("%w: %s is a link that leads in a circle, or through too many others", ErrBroken, name)
	}
	return w.folder(target, name, links+1)
}

func (w *walk) allows(target string) bool {
	for _, root := range w.roots {
		if below(target, root) {
			return true
		}
	}
	return false
}

// below tells whether a path is a folder or lies below it.
func below(path, folder string) bool {
	relative, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(relative)
}
