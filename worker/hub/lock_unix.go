//go:build unix

package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps other processes from pulling or removing the bundle of a name. The lock is
// the system's and ends with the process; the file of it is removed with it where the
// process ends in order.
func lock(models, name string) (unlock func(), err error) {
	file := filepath.Join(models, placePrefix+name+".lock")
	// Who locked a file that its owner removed meanwhile has locked nothing.
	for range 100 {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock the bundle %s: %w", name, onDisk(err))
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				break
			}
			return nil, fmt.Errorf("lock the bundle %s: %w", name, err)
		}
		locked, err := f.Stat()
		there, thereErr := os.Lstat(file)
		if err == nil && thereErr == nil && os.SameFile(locked, there) {
			return func() {
				_ = os.Remove(file)
				_ = f.Close()
			}, nil
		}
		_ = f.Close()
	}
	return nil, fmt.Errorf("%w: another process is pulling or removing %s; wait for it to end", ErrBusy, name)
}
