package folder

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// idFile is in every models folder that some worker could write.
const idFile = ".parley-folder"

var validID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// identify gives the id of a models folder and whether it can be written; err says why
// not. The id is made once and kept in the folder. A folder that has none and can't be
// given one has an id of the machine and the path.
func identify(models string) (id string, writable bool, err error) {
	if err := os.MkdirAll(models, 0o755); err != nil {
		return placeID(models), false, err
	}
	if isBundle(models) {
		return placeID(models), false, errors.New("it is a bundle itself")
	}
	// What can't be written is told by trying: modes and mounts say less.
	probe, err := os.CreateTemp(models, idFile+"-")
	if err != nil {
		if id, known := readID(models); known == nil {
			return id, false, err
		}
		return placeID(models), false, err
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	_, err = probe.WriteString(hex.EncodeToString(random) + "\n")
	// Others that share the folder read it too.
	if err = errors.Join(err, probe.Chmod(0o644), probe.Sync(), probe.Close()); err != nil {
		return placeID(models), false, err
	}
	// A link is made whole or not at all, and never in the place of another.
	if err := os.Link(probe.Name(), filepath.Join(models, idFile)); err != nil && !errors.Is(err, fs.ErrExist) {
		return placeID(models), false, err
	}
	if id, err = readID(models); err != nil {
		return placeID(models), false, err
	}
	return id, true, nil
}

func isBundle(dir string) bool {
	for _, name := range []string{"config.json", "model_index.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// readID reads what the folder is called.
func readID(models string) (string, error) {
	f, err := os.Open(filepath.Join(models, idFile))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 100))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(data))
	if !validID.MatchString(id) {
		return "", fmt.Errorf("%s holds no id; remove it, and a new one is made", f.Name())
	}
	return id, nil
}

// placeID names a folder by where it is.
func placeID(models string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if absolute, err := filepath.Abs(models); err == nil {
		models = absolute
	}
	sum := sha256.Sum256([]byte(host + "\x00" + models))
	return hex.EncodeToString(sum[:8])
}
