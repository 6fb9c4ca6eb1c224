package note

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"parley/internal/apperr"
)

// Upload is a text file to make a note of.
type Upload struct {
	File     io.Reader
	Size     int64
	Name     string
	Title    *string
	Language *string

	IdempotencyKey *string
}

// Import makes a note of a UTF-8 text file. A byte order mark is dropped and
// line ends become \n. Idempotency keys are as those of Create, for the same file
// with the same name.
func (s *Service) Import(ctx context.Context, in Upload) (*Written, error) {
	name := path.Base(strings.ReplaceAll(in.Name, "\\", "/"))
	if !strings.EqualFold(path.Ext(name), ".txt") {
		return nil, apperr.Input("file", "Only .txt files can be imported.")
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
	}{in.Name, sha256.Sum256(data), in.Title, in.Language}
	return s.create(ctx, "importNote", CreateNoteInput{Title: title, Text: text, Language: in.Language, IdempotencyKey: in.IdempotencyKey}, same)
}
