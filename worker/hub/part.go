package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
)

// part is a file that is not whole yet. What it holds survives the process, and so does
// the ETag of the answer that it came from.
type part struct {
	root *os.Root
	name string
	file *os.File
	// size is the bytes that are there.
	size int64
	// furthest is the most that there ever was when an answer broke off.
	furthest int64
	// resumed says that the content comes from more than one answer.
	resumed bool
	// whole says that ranges are not to be asked for: an answer to one was wrong.
	whole bool
	// grew is told of every change of size.
	grew func(by int64)
}

const etagSuffix = ".etag"

// partName is where the part of a file stands in its place.
func partName(f File) string {
	sum := sha256.Sum256([]byte(f.Path))
	return path.Join(partsFolder, hex.EncodeToString(sum[:16]))
}

// openPart opens what there is of a file.
func (p *place) openPart(f File, grew func(int64)) (*part, error) {
	name := partName(f)
	file, err := p.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the download of %s: %w", f.Path, onDisk(err))
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open the download of %s: %w", f.Path, err)
	}
	return &part{root: p.root, name: name, file: file, size: info.Size(), grew: grew}, nil
}

// Write appends. An error is the disk's.
func (p *part) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.size += int64(n)
	p.grew(int64(n))
	if err != nil {
		return n, &diskError{onDisk(err)}
	}
	return n, nil
}

// reset begins the file anew.
func (p *part) reset() error {
	p.grew(-p.size)
	p.size, p.resumed = 0, false
	err := p.file.Truncate(0)
	if err == nil {
		err = p.setETag("")
	}
	if err != nil {
		return &diskError{onDisk(err)}
	}
	return nil
}

// maxETag is how long an ETag may be that is kept.
const maxETag = 200

// etag is the strong ETag of the answer that the content came from, "" without one.
func (p *part) etag() string {
	f, err := p.root.Open(p.name + etagSuffix)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxETag+1))
	if err != nil {
		return ""
	}
	return strongETag(string(data))
}

func (p *part) setETag(etag string) error {
	etag = strongETag(etag)
	if etag == "" {
		if err := p.root.Remove(p.name + etagSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return &diskError{onDisk(err)}
		}
		return nil
	}
	if err := p.root.WriteFile(p.name+etagSuffix, []byte(etag), 0o644); err != nil {
		return &diskError{onDisk(err)}
	}
	return nil
}

// strongETag gives an ETag that If-Range may carry: RFC 9110, section 13.1.5, allows
// none that is weak.
func strongETag(etag string) string {
	if len(etag) < 2 || len(etag) > maxETag || !strings.HasPrefix(etag, `"`) || !strings.HasSuffix(etag, `"`) || strings.ContainsAny(etag, "\r\n") {
		return ""
	}
	return etag
}

// diskError tells a failure of our own disk from one of the network.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// onDisk gives a full disk its words.
func onDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: make room and run the command again, it goes on from here: %w", ErrSpace, err)
	}
	return err
}
