package note

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"parley/ent/gen/note"
	"parley/internal/apperr"
)

// Upload is a file to make a note of.
type Upload struct {
	File     io.Reader
	Size     int64
	Name     string
	Title    *string
	Language *string
	// Format is nil when it follows from the name.
	Format *note.Format

	IdempotencyKey *string
}

// formats gives what files are written in, by the endings of their names.
var formats = map[string]note.Format{".txt": FormatText, ".html": FormatHTML, ".htm": FormatHTML}

// Import makes a note of a UTF-8 file of text or HTML. A byte order mark is dropped and
// line ends become \n. Idempotency keys are as those of Create, for the same file
// with the same name.
func (s *Service) Import(ctx context.Context, in Upload) (*Written, error) {
	name := path.Base(strings.ReplaceAll(in.Name, "\\", "/"))
	format, ok := formats[strings.ToLower(path.Ext(name))]
	if !ok {
		return nil, apperr.Input("file", "Only .txt, .html and .htm files can be imported.")
	}
	if in.Format != nil {
		format = *in.Format
	}
	data, err := io.ReadAll(io.LimitReader(in.File, MaxText+1))
	if err != nil {
		return nil, fmt.Errorf("read an upload: %w", err)
	}
	if size := max(in.Size, int64(len(data))); size > MaxText {
		e := apperr.New(apperr.TooLarge, "A file has at most %d bytes, this one has %d or more.", MaxText, size)
		e.Path = []string{"input", "file"}
		return nil, e
	}
	if !utf8.Valid(data) {
		return nil, apperr.Input("file", "The file is not UTF-8.")
	}
	text := strings.TrimPrefix(string(data), "\uFEFF")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	if err := checkText("file", text); err != nil {
		return nil, err
	}
	title := strings.TrimSuffix(name, path.Ext(name))
	if in.Title != nil {
		title = *in.Title
	} else if r := []rune(title); len(r) > MaxTitle {
		title = string(r[:MaxTitle])
	}
	same := struct {
		Name            string
		Content         [sha256.Size]byte
		Title, Language *string
		HTML            bool `json:",omitempty"`
	}{in.Name, sha256.Sum256(data), in.Title, in.Language, format == FormatHTML}
	return s.create(ctx, "importNote", CreateNoteInput{
		Title: title, Text: text, Language: in.Language, Format: &format, IdempotencyKey: in.IdempotencyKey,
	}, same)
}
