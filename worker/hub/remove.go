package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Remove deletes the bundle of a name from the models folder. It is gone in one step:
// a reader sees it whole or not at all. It fails with ErrMissing where there is none,
// with ErrRequest for what is no bundle or a link, and with ErrBusy while it is pulled.
func Remove(models, name string) error {
	if err := CheckRemovable(models, name); err != nil {
		return err
	}
	unlock, err := lock(models, name)
	if err != nil {
		return err
	}
	defer unlock()
	// One level deeper no reader looks for bundles.
	prefix := ".removed-" + name + "-"
	if err := sweep(models, prefix, ""); err != nil {
		return err
	}
	hidden, err := os.MkdirTemp(models, prefix)
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := os.Rename(filepath.Join(models, name), filepath.Join(hidden, name)); err != nil {
		return errors.Join(fmt.Errorf("remove %s: %w", name, err), os.Remove(hidden))
	}
	if err := syncFile(models); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := os.RemoveAll(hidden); err != nil {
		return fmt.Errorf("%s is no bundle any more; remove the rest of it in %s: %w", name, hidden, err)
	}
	return nil
}

// CheckRemovable says why Remove would refuse a name, without the lock.
func CheckRemovable(models, name string) error {
	if err := checkBundleName(name); err != nil {
		return fmt.Errorf("%w: %q is no folder of %s; give the folder's name as `parley models list` shows it", ErrRequest, name, models)
	}
	dir := filepath.Join(models, name)
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no bundle %s in %s; `parley models list` shows the folders", ErrMissing, name, models)
	case err != nil:
		return fmt.Errorf("look for %s: %w", name, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a link, so nothing is deleted; remove the link itself", ErrRequest, dir)
	case !isBundle(dir):
		return fmt.Errorf("%w: %s is no bundle, so nothing is deleted", ErrRequest, dir)
	}
	return nil
}
