package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Redact masks what is secret in a database URL: the passwords in its user
// part and in its query.
func Redact(raw string) string {
	if strings.HasPrefix(raw, "sqlite:") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}

// sqlitePath gives the file of a sqlite: URL. Everything behind the colon is
// the path, whatever its characters mean in other URLs.
func sqlitePath(raw string) (string, error) {
	path := strings.TrimPrefix(raw, "sqlite:")
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return "", fmt.Errorf("%q names no file: write sqlite:<path>, for example sqlite:./var/parley.db", raw)
	case strings.HasPrefix(path, ":memory:"):
		return "", errors.New("parley opens a database several times, which SQLite's :memory: does not allow: name a file")
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return "", fmt.Errorf("%q would name a host: write sqlite:<path>, for example sqlite:%s", raw, path[1:])
	}
	return filepath.Clean(path), nil
}

// createPrivately makes the file, and the folders above it, for this user
// only, unless they are there. SQLite's other files get the mode of this one.
func createPrivately(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return f.Close()
}
