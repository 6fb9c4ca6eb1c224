package sticker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"parley/ent/gen"
	entmedia "parley/ent/gen/media"
	"parley/ent/gen/sticker"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/media"
	"parley/internal/store"
)

// File is a file that a user sends.
type File struct {
	// Name is what the client calls it, perhaps with folders.
	Name    string
	Content io.Reader
}

// AddInput is the input of Add.
type AddInput struct {
	Files []File
	// Captions and Tags are those of the files, in their order; nil for none.
	Captions       []string
	Tags           [][]string
	Licence        *string
	Visibility     entmedia.Visibility
	IdempotencyKey *string
}

func (in AddInput) validate() error {
	var errs []error
	n := len(in.Files)
	if n == 0 || n > MaxFiles {
		errs = append(errs, apperr.Input("files", "Send 1 to %d files, not %d.", MaxFiles, n))
	}
	if in.Captions != nil && len(in.Captions) != n {
		errs = append(errs, apperr.Input("captions", "There are %d captions for %d files.", len(in.Captions), n))
	}
	if in.Tags != nil && len(in.Tags) != n {
		errs = append(errs, apperr.Input("tags", "There are tags for %d files, not for %d.", len(in.Tags), n))
	}
	return errors.Join(append(errs, checkLicence(in.Licence), idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey"))...)
}

// Result is what became of one file.
type Result struct {
	// Sticker is nil where Err says why there is none.
	Sticker *Sticker
	Err     error
}

// Added is what became of the files of a call, in their order.
type Added struct {
	Results []Result
	Cursor  event.Cursor
}

// item is a file on its way to be a sticker.
type item struct {
	// place is that of the file among those of the call.
	place   int
	name    string
	caption string
	tags    []string
	licence *string
	content [sha256.Size]byte
	kept    *media.Kept
	// refused is why the file makes no sticker.
	refused *apperr.Error
}

// Add makes stickers of files, each by itself: what is refused leaves the others. It reads
// and decodes one file after the other. What is not the fault of a file, such as a store
// that is away, fails the whole call, and then nothing was added. The same idempotency key
// gives the first call's results, NOT_FOUND for what was deleted since.
func (s *Service) Add(ctx context.Context, in AddInput) (*Added, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	if in.Visibility == Public && !viewer.Admin() {
		return nil, about(apperr.New(apperr.Forbidden, "Only admins add public stickers."), []string{"input", "visibility"})
	}
	items, err := s.take(ctx, in)
	if err != nil {
		return nil, err
	}
	call := idempotency.Call{Owner: viewer.ID, Operation: "addStickers", Key: in.IdempotencyKey, Input: fingerprint(in, items)}
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		return s.add(ctx, batch{owner: &viewer.ID, visibility: in.Visibility}, items)
	})
	if err != nil {
		return nil, err
	}
	results, err := s.results(ctx, answer.Values)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Sticker != nil {
			s.committed(ctx, r.Sticker.ID)
		}
	}
	return &Added{results, answer.Cursor}, nil
}

// licence gives nil for an empty text.
func licence(given *string) *string {
	if given == nil || strings.TrimSpace(*given) == "" {
		return nil
	}
	return given
}

// take reads the files and stores their pictures.
func (s *Service) take(ctx context.Context, in AddInput) ([]item, error) {
	items := make([]item, len(in.Files))
	together := 0
	for i, f := range in.Files {
		one := &items[i]
		one.place, one.name, one.licence = i, fileName(f.Name), licence(in.Licence)
		if in.Captions != nil {
			one.caption = strings.TrimSpace(in.Captions[i])
		}
		if in.Tags != nil {
			one.tags = in.Tags[i]
		}
		file, err := io.ReadAll(io.LimitReader(f.Content, media.MaxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read an upload: %w", err)
		}
		if together += len(file); together > MaxTogether {
			return nil, about(apperr.New(apperr.TooLarge, "The files of a call have at most %d bytes together.", MaxTogether), []string{"input", "files"})
		}
		one.content = sha256.Sum256(file)
		if err := s.keep(ctx, one, file); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// keep checks the words of a file and stores its picture; what is the file's own fault is
// noted in the item.
func (s *Service) keep(ctx context.Context, one *item, file []byte) error {
	place := strconv.Itoa(one.place)
	err := errors.Join(checkName(one.name, "input", "files", place), checkCaption(one.caption, "input", "captions", place), checkTags(one.tags, "input", "tags", place))
	if err != nil {
		one.refused = apperr.List(err)[0]
		return nil
	}
	one.tags = distinct(one.tags)
	picture, err := s.media.Take(ctx, file)
	if apperr.Is(err, apperr.BadInput) || apperr.Is(err, apperr.TooLarge) {
		told := *apperr.List(err)[0]
		one.refused = about(&told, []string{"input", "files", place})
		return nil
	}
	if err != nil {
		return err
	}
	if one.kept, err = s.media.Keep(ctx, picture); err != nil {
		return err
	}
	picture.Data = nil // many of them wait for the transaction
	return nil
}

// fingerprint is what a repeated call must have in common with the first.
func fingerprint(in AddInput, items []item) any {
	type file struct {
		Name, Caption string
		Tags          []string
		Content       [sha256.Size]byte
	}
	files := make([]file, len(items))
	for i, one := range items {
		files[i] = file{one.name, one.caption, one.tags, one.content}
	}
	return struct {
		Files      []file
		Visibility entmedia.Visibility
		Licence    *string
	}{files, in.Visibility, licence(in.Licence)}
}

// batch is what items have in common.
type batch struct {
	// owner is nil for the installation.
	owner      *string
	visibility entmedia.Visibility
}

// add makes the stickers of items in the transaction of the context, and gives an outcome
// for each.
func (s *Service) add(ctx context.Context, b batch, items []item) ([]string, error) {
	ctx = asSystem(ctx)
	rows, err := s.place(ctx, b, items)
	if err != nil {
		return nil, err
	}
	outcomes := make([]string, len(items))
	var added []*gen.Sticker
	for i, one := range items {
		if rows[i] != nil {
			added, outcomes[i] = append(added, rows[i]), rows[i].ID
			continue
		}
		refused := one.refused
		if refused == nil {
			refused = taken(one.name, "input", "files", strconv.Itoa(one.place))
		}
		if outcomes[i], err = refusal(refused); err != nil {
			return nil, err
		}
	}
	return outcomes, s.announce(ctx, Created, added...)
}

// place makes the rows of items in the transaction of the context, one for each item, nil
// where its name is taken. Of equal names the first one wins. All transactions lock in one
// order, first pictures by their hashes and then names, so that two don't wait for each
// other.
func (s *Service) place(ctx context.Context, b batch, items []item) ([]*gen.Sticker, error) {
	rows, pictures := make([]*gen.Sticker, len(items)), make([]*gen.Media, len(items))
	for _, i := range order(items, func(one item) string { return one.kept.Hash }) {
		m, err := s.media.Add(ctx, items[i].kept, media.About{Visibility: b.visibility, Licence: items[i].licence})
		if err != nil {
			return nil, err
		}
		pictures[i], rows[i] = m, b.row(items[i], m)
	}
	var needless []*gen.Media
	for _, i := range order(items, func(one item) string { return string(fold(one.name)) }) {
		free, err := s.insert(ctx, rows[i])
		if err != nil {
			return nil, err
		}
		if !free {
			needless, rows[i] = append(needless, pictures[i]), nil
		}
	}
	return rows, s.media.Remove(ctx, needless...)
}

// order gives the places of the items that were kept, by a key, the first of equal ones
// first.
func order(items []item, key func(item) string) []int {
	var places []int
	for i, one := range items {
		if one.kept != nil && one.refused == nil {
			places = append(places, i)
		}
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(key(items[a]), key(items[b])) })
	return places
}

func (b batch) row(one item, m *gen.Media) *gen.Sticker {
	row := &gen.Sticker{
		ID: store.NewID(prefix), CreatedAt: store.Now(), OwnerID: b.owner, Visibility: sticker.Visibility(b.visibility),
		Name: one.name, NameKey: fold(one.name), Caption: one.caption, Tags: one.tags, Licence: one.licence, MediaID: m.ID, Version: 1,
	}
	if b.visibility == Private {
		row.Scope = *b.owner
	}
	return row
}

// refusalMark begins the outcome of a file that was refused; others are ids.
const refusalMark = "!"

// refusal gives a refusal as an outcome, which repeated calls are told.
func refusal(e *apperr.Error) (string, error) {
	data, err := json.Marshal(apperr.Error{Code: e.Code, Message: e.Message, Path: e.Path})
	if err != nil {
		return "", fmt.Errorf("encode a refusal: %w", err)
	}
	return refusalMark + string(data), nil
}

// results gives what outcomes stand for, as they are now.
func (s *Service) results(ctx context.Context, outcomes []string) ([]Result, error) {
	var ids []string
	for _, o := range outcomes {
		if !strings.HasPrefix(o, refusalMark) {
			ids = append(ids, o)
		}
	}
	found, err := s.ByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(outcomes))
	for i, o := range outcomes {
		data, isRefusal := strings.CutPrefix(o, refusalMark)
		if !isRefusal {
			if results[i].Sticker = found[o]; found[o] == nil {
				results[i].Err = store.Found(&gen.NotFoundError{}, "sticker")
			}
			continue
		}
		var e apperr.Error
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return nil, fmt.Errorf("decode a refusal: %w", err)
		}
		results[i].Err = &e
	}
	return results, nil
}
