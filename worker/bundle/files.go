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
type walk struct{ found map[string]bool }

// files gives the files under dir but the manifest and hidden ones, by their paths with
// forward slashes. Links are followed, wherever they point: whoever may write into the
// models folder put them there, and nothing that is pulled becomes one. Those that lead in
// a circle are ErrBroken; one that points nowhere is listed. Other errors are ErrMissing.
func files(dir string) (map[string]bool, error) {
	w := walk{found: map[string]bool{}}
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		err = w.folder(real, "", 0)
	}
	if err != nil && !errors.Is(err, ErrBroken) {
		err = fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return w.found, err
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

// below tells whether a path is a folder or lies below it.
func below(path, folder string) bool {
	relative, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(relative)
}
