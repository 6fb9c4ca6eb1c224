//go:build !linux && !darwin

package hub

// freeSpace can't tell here.
func freeSpace(string) (int64, error) { return -1, nil }
