//go:build !unix

package natsx

// lockFile has nothing to lock with here.
func lockFile(string) (func(), error) { return func() {}, nil }
