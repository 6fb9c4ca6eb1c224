package model

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"parley/internal/jobspec"
	"parley/worker/bundle"
)

// Bounds of what is told of a bundle, in bytes.
const (
	maxReason = 500
	maxWord   = 200
)

// describe adds to m what the bundle's files and its manifest tell. What can't be read
// is left out: why stands in the reason that the bundle is not served for.
func describe(b *bundle.Bundle, m jobspec.Model) jobspec.Model {
	m.Kind = string(b.Kind)
	s, err := b.Summary()
	if err != nil {
		return m
	}
	m.Precision, m.Licence, m.Size, m.Memory = clip(s.Precision, maxWord), clip(s.Licence, maxWord), s.Size, s.Memory
	m.Languages = s.Languages[:min(len(s.Languages), jobspec.MaxModelLanguages)]
	if s.Source != nil {
		m.Repository, m.Commit = clip(s.Source.Repository, maxWord), clip(s.Source.Commit, maxWord)
	}
	return m
}

// clip cuts words of others to so many bytes, between two characters, and leaves out
// what no database keeps.
func clip(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// Describe gives the bundles of the folder as they are announced, and how many there
// was no room for.
func (s *Set) Describe() (models []jobspec.Model, more int) {
	all, size := s.present(), 0
	for i, e := range all {
		data, err := json.Marshal(e.about)
		if size += len(data); err != nil || i == jobspec.MaxModels || size > jobspec.MaxFolder {
			return models, len(all) - i
		}
		models = append(models, e.about)
	}
	return models, 0
}

// maxStamped is how many files of a bundle are looked at for a change.
const maxStamped = 10_000

// stampOf changes when a file of the bundle comes, goes or is written: it is made of
// names, sizes and times. What can't be read counts as not there.
func stampOf(dir string) string {
	h, seen := fnv.New64a(), 0
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if seen++; err != nil || seen > maxStamped {
			return fs.SkipAll
		}
		if path != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// A link counts as the file that it leads to.
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			_, _ = h.Write([]byte(path))
			_ = binary.Write(h, binary.LittleEndian, [2]int64{info.Size(), info.ModTime().UnixNano()})
		}
		return nil
	})
	return strconv.FormatUint(h.Sum64(), 16)
}
