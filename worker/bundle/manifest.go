package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const manifestFile = "manifest.json"

// Manifest is manifest.json: every file of the bundle but itself, by its path
// with forward slashes. Everything but the files may be missing: manifests made
// before models could be pulled have nothing else.
type Manifest struct {
	Files map[string]FileRecord `json:"files"`
	// Source is where the files came from.
	Source *Source `json:"source,omitempty"`
	// Licence is an SPDX expression, or the hub's word where SPDX has none.
	Licence string `json:"licence,omitempty"`
	Kind    Kind   `json:"kind,omitempty"`
	// Languages are BCP 47 tags.
	Languages []string `json:"languages,omitempty"`
	// Precision is that of the graphs, see Precisions; several are joined by "+".
	Precision string `json:"precision,omitempty"`
	// Memory is an estimate of the bytes that the loaded bundle takes; how it is made
	// stands at memory.
	Memory int64 `json:"memory,omitempty"`
	// PulledAt is when the bundle was complete, in UTC.
	PulledAt time.Time `json:"pulled_at,omitzero"`
}

// Source is the repository that a bundle was pulled from.
type Source struct {
	// Base is the hub's address, or "folder" for a copy of a local folder.
	Base string `json:"base"`
	// Repository is OWNER/NAME.
	Repository string `json:"repository"`
	// Commit is the hash of the repository's commit, "" where a folder told none.
	Commit string `json:"commit,omitempty"`
}

// FileRecord is what a file was when it was packed.
type FileRecord struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// FileCheck is the state of one file.
type FileCheck struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Digest is "ok", "not recorded", or what is wrong.
	Digest string `json:"digest"`
	OK     bool   `json:"ok"`
}

// Manifest reads manifest.json; without one it is empty. It fails with ErrMissing or
// ErrBroken.
func (b *Bundle) Manifest() (*Manifest, error) {
	m := &Manifest{}
	if err := b.readJSON(manifestFile, m, false); err != nil {
		return nil, err
	}
	return m, nil
}

// WriteManifest records the bundle as it stands in its folder: what m says, with kind,
// languages, precision and memory as the files tell them. m.Files must be complete.
func (b *Bundle) WriteManifest(m Manifest) error {
	sizes, err := b.sizes()
	if err != nil {
		return err
	}
	m.Kind, m.Languages = b.Kind, b.languages(&m)
	m.Precision, m.Memory = precisionOf(mapKeys(sizes)), memory(sizes)
	data, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = os.WriteFile(b.path(manifestFile), append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", b.path(manifestFile), err)
	}
	return nil
}

// notRecorded is the digest of a file that no manifest speaks of.
const notRecorded = "not recorded"

// Check compares the bundle's files with its manifest. Files that no manifest
// records are no failure. The error wraps ErrBroken or ErrMissing and names the
// first bad file; the list is complete all the same.
func (b *Bundle) Check() ([]FileCheck, error) {
	m, err := b.Manifest()
	if err != nil {
		return nil, err
	}
	paths, err := files(b.Dir)
	if err != nil {
		return nil, err
	}
	for path := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(path)) {
			return nil, fmt.Errorf("%w: %s names a file outside of the folder: %q", ErrBroken, b.path(manifestFile), path)
		}
		paths[path] = true
	}
	var checks []FileCheck
	var first error
	for _, path := range sortedKeys(paths) {
		record, recorded := m.Files[path]
		check, err := b.checkFile(path, record, recorded)
		checks = append(checks, check)
		if first == nil {
			first = err
		}
	}
	return checks, first
}

func (b *Bundle) checkFile(path string, record FileRecord, recorded bool) (FileCheck, error) {
	check := FileCheck{Path: path, Digest: notRecorded, OK: true}
	info, err := os.Stat(b.path(path))
	if err != nil {
		check.Digest, check.OK = "missing", false
		return check, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	check.Size = info.Size()
	if !recorded {
		return check, nil
	}
	got, err := digest(b.path(path))
	switch {
	case err != nil:
		check.Digest = "unreadable"
	case check.Size != record.Size:
		check.Digest = fmt.Sprintf("size differs, %d recorded", record.Size)
	case !strings.EqualFold(got, record.SHA256):
		check.Digest = "differs"
	default:
		check.Digest = "ok"
		return check, nil
	}
	check.OK = false
	return check, fmt.Errorf("%w: %s: digest %s", ErrBroken, b.path(path), check.Digest)
}

func digest(path string) (sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func sortedKeys(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
