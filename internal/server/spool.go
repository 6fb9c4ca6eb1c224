package server

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spool holds the files of one request: the first ones in memory, up to spoolMemory bytes
// together, the others in one temporary file, which has no name any more and is gone with
// the process however that ends.
type spool struct {
	held int64
	disk *os.File
	end  int64
}

// spoolMemory is how many bytes of the files of a request are held in memory.
const spoolMemory = 1 << 20

// held is a file of a request. Each open gives a reader of its own.
type held struct {
	size int64
	open func() io.ReadSeeker
}

// add takes a file in.
func (s *spool) add(r io.Reader) (held, error) {
	room := spoolMemory - s.held
	head, err := io.ReadAll(io.LimitReader(r, room+1))
	if err != nil {
		return held{}, err
	}
	if int64(len(head)) <= room {
		s.held += int64(len(head))
		return held{int64(len(head)), func() io.ReadSeeker { return bytes.NewReader(head) }}, nil
	}
	if s.disk == nil {
		if s.disk, err = unnamed(); err != nil {
			return held{}, err
		}
	}
	begin := s.end
	n, err := io.Copy(diskWriter{io.NewOffsetWriter(s.disk, begin)}, io.MultiReader(bytes.NewReader(head), r))
	s.end += n
	if err != nil {
		return held{}, err
	}
	return held{n, func() io.ReadSeeker { return io.NewSectionReader(s.disk, begin, n) }}, nil
}

// errDisk is the failure of the disk, which is no fault of the request.
var errDisk = errors.New("an upload can't be put down")

type diskWriter struct{ io.Writer }

// Write tells failures of the disk from those of what is read.
func (w diskWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = errors.Join(errDisk, err)
	}
	return n, err
}

// unnamed makes a temporary file and takes its name away.
func unnamed() (*os.File, error) {
	f, err := os.CreateTemp("", "parley-upload-*")
	if err != nil {
		return nil, errors.Join(errDisk, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(errDisk, err, f.Close())
	}
	return f, nil
}

// close gives back what the files take up.
func (s *spool) close() {
	if s.disk != nil {
		_ = s.disk.Close()
	}
}
