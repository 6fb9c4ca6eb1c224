package hub

import (
	"errors"
	"os"
)

// exchangeByTurns makes two folders change their places by renames. For a moment there is
// nothing at to; where the second rename fails, the first is undone.
func exchangeByTurns(from, to string) error {
	aside := from + ".old"
	if err := os.Rename(to, aside); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(aside, to))
	}
	return os.Rename(aside, from)
}
