// Package media keeps pictures: takes them in, stores their bytes under the hash of
// these, and knows who may see them and where.
package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"parley/ent/gen"
	"parley/ent/gen/media"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// Who may see a picture.
const (
	Public  = media.VisibilityPUBLIC
	Private = media.VisibilityPRIVATE
)

// maxLicence is how long a licence's text may be, in characters.
const maxLicence = 2000

// prefix begins the ids of pictures.
const prefix = "media"

// Service keeps pictures.
type Service struct {
	store  *store.Store
	log    *event.Log
	keys   *idempotency.Keys
	tokens *auth.Tokens
	bucket *Bucket
	intake *Intake
	// swept counts the objects that Sweep deleted.
	swept atomic.Int64
}

// New makes the service over an open bucket.
func New(s *store.Store, log *event.Log, tokens *auth.Tokens, b *Bucket) *Service {
	return &Service{store: s, log: log, keys: idempotency.New(s, log), tokens: tokens, bucket: b, intake: NewIntake()}
}

// Take makes a picture of a user's file; see Intake.Take.
func (s *Service) Take(ctx context.Context, file []byte) (*Picture, error) {
	return s.intake.Take(ctx, file)
}

// Kept is a picture whose bytes are stored and which gets its row by Add. That needs
// Data no more: who keeps many pictures may let it go, and JSON leaves it out.
type Kept struct {
	*Picture
	// Hash names the object.
	Hash string
	// Bytes is the size of the file, At when it was stored.
	Bytes int64
	At    time.Time
}

// Keep stores the bytes of a picture, outside of any transaction. Without a following
// Add they are deleted again some time.
func (s *Service) Keep(ctx context.Context, p *Picture) (*Kept, error) {
	if store.InTx(ctx) {
		return nil, errors.New("media: Keep inside of a transaction")
	}
	sum := sha256.Sum256(p.Data)
	k := &Kept{Picture: p, Hash: hex.EncodeToString(sum[:]), Bytes: int64(len(p.Data)), At: time.Now()}
	if err := s.store.Tx(ctx, func(ctx context.Context) error { return s.loosen(ctx, k.Hash) }); err != nil {
		return nil, err
	}
	if err := s.bucket.Write(ctx, k.Hash, k.ContentType, k.Data); err != nil {
		return nil, err
	}
	return k, nil
}

// About is what is said of a new picture.
type About struct {
	// Owner is the account that it belongs to; nil for the installation itself.
	Owner      *string
	Visibility media.Visibility
	// Licence is nil when it is not known.
	Licence *string
}

// Add makes the row of a kept picture in the transaction of the context.
func (s *Service) Add(ctx context.Context, k *Kept, a About) (*gen.Media, error) {
	if !store.InTx(ctx) {
		return nil, errors.New("media: Add outside of a transaction")
	}
	if time.Since(k.At) > keepWithin {
		return nil, apperr.New(apperr.Timeout, "Storing the picture took too long: try again.")
	}
	m, err := s.store.Client(ctx).Media.Create().SetID(store.NewID(prefix)).SetNillableOwnerID(a.Owner).
		SetVisibility(a.Visibility).SetHash(k.Hash).SetContentType(k.ContentType).SetWidth(k.Width).SetHeight(k.Height).
		SetBytes(k.Bytes).SetNillableLicence(a.Licence).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("add a picture: %w", err)
	}
	return m, s.fasten(ctx, k.Hash)
}

// Twin makes a row of its own over the bytes of a picture, in the transaction of the
// context: deleting the one leaves the other. Who may do so was asked before.
func (s *Service) Twin(ctx context.Context, id string, a About) (*gen.Media, error) {
	if !store.InTx(ctx) {
		return nil, errors.New("media: Twin outside of a transaction")
	}
	// Whoever deletes the picture waits, so that its bytes have a row all the time.
	m, err := store.ForUpdate(s.store, s.store.Client(ctx).Media.Query().Where(media.ID(id))).Only(ctx)
	if err != nil {
		return nil, store.Found(err, "picture")
	}
	twin, err := s.store.Client(ctx).Media.Create().SetID(store.NewID(prefix)).SetNillableOwnerID(a.Owner).
		SetVisibility(a.Visibility).SetHash(m.Hash).SetContentType(m.ContentType).SetWidth(m.Width).SetHeight(m.Height).
		SetBytes(m.Bytes).SetNillableLicence(a.Licence).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("add a picture: %w", err)
	}
	return twin, s.fasten(ctx, m.Hash)
}

// UploadInput is a picture that a user sends.
type UploadInput struct {
	File           io.Reader
	Visibility     media.Visibility
	Licence        *string
	IdempotencyKey *string
}

func (in UploadInput) validate() error {
	if in.Licence != nil && (utf8.RuneCountInString(*in.Licence) > maxLicence || !store.Storable(*in.Licence)) {
		return apperr.Input("licence", "A licence has at most %d characters of UTF-8 without NUL characters.", maxLicence)
	}
	return idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey")
}

// Written is a picture with the cursor before the write.
type Written struct {
	Image  *gen.Media
	Cursor event.Cursor
}

// Upload keeps a picture of the viewer. The same idempotency key gives the first
// call's picture, NOT_FOUND when it was deleted since.
func (s *Service) Upload(ctx context.Context, in UploadInput) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	file, err := io.ReadAll(io.LimitReader(in.File, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read an upload: %w", err)
	}
	p, err := s.Take(ctx, file)
	if err != nil {
		return nil, at(err, "input", "file")
	}
	k, err := s.Keep(ctx, p)
	if err != nil {
		return nil, err
	}
	var m *gen.Media
	call := idempotency.Call{Owner: viewer.ID, Operation: "uploadImage", Key: in.IdempotencyKey, Input: struct {
		Content    [sha256.Size]byte
		Visibility media.Visibility
		Licence    *string
	}{sha256.Sum256(file), in.Visibility, in.Licence}}
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) (ids []string, err error) {
		m, err = s.Add(ctx, k, About{&viewer.ID, in.Visibility, in.Licence})
		if err != nil {
			return nil, err
		}
		return []string{m.ID}, nil
	})
	if err == nil && answer.Repeated {
		m, err = s.Get(ctx, answer.Values[0])
	}
	if err != nil {
		return nil, err
	}
	return &Written{m, answer.Cursor}, nil
}

// at says which argument a refusal is about.
func at(err error, path ...string) error {
	var told *apperr.Error
	if errors.As(err, &told) {
		e := *told
		e.Path = path
		return &e
	}
	return err
}

// Get gives a picture that the viewer may see, or NOT_FOUND.
func (s *Service) Get(ctx context.Context, id string) (*gen.Media, error) {
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	m, err := s.store.Client(ctx).Media.Get(ctx, id)
	return m, store.Found(err, "picture")
}

// ByID gives those of the pictures that the viewer may see.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*gen.Media, error) {
	rows, err := s.store.Client(ctx).Media.Query().Where(media.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read pictures: %w", err)
	}
	found := make(map[string]*gen.Media, len(rows))
	for _, m := range rows {
		found[m.ID] = m
	}
	return found, nil
}

// Delete removes a picture of the viewer: nobody is shown it any more, and its bytes go
// with the last picture that has the same.
func (s *Service) Delete(ctx context.Context, id string) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "id"); err != nil {
		return nil, err
	}
	w := &Written{}
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		var err error
		if w.Image, err = s.store.Client(ctx).Media.Get(ctx, id); err != nil {
			return store.Found(err, "picture")
		}
		if w.Image.OwnerID == nil || *w.Image.OwnerID != viewer.ID {
			return apperr.New(apperr.Forbidden, "Only its owner may delete a picture.")
		}
		return s.Remove(ctx, w.Image)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Remove deletes the rows of pictures in the transaction of the context.
func (s *Service) Remove(ctx context.Context, pictures ...*gen.Media) error {
	ids, names := make([]string, len(pictures)), make([]string, 0, len(pictures))
	known := map[string]bool{}
	for i, m := range pictures {
		ids[i] = m.ID
		if !known[m.Hash] {
			known[m.Hash], names = true, append(names, m.Hash)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := s.store.Client(ctx).Media.Delete().Where(media.IDIn(ids...)).Exec(ctx); err != nil {
		return fmt.Errorf("delete pictures: %w", err)
	}
	slices.Sort(names) // all transactions lock in one order
	return s.loosen(ctx, names...)
}
