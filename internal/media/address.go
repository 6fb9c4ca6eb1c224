package media

import (
	"context"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/media"
	"parley/internal/auth"
	"parley/internal/store"
)

// Path begins the addresses of pictures.
const Path = "/media/"

// endings are those of addresses, by the type.
var endings = map[string]string{PNG: ".png", JPEG: ".jpg"}

// signedFor is what the signatures of addresses are for.
const signedFor = "media"

// URL gives the address of a picture, a path on the API's own host. A public picture's
// holds the hash of its content and stays. A private one's is signed, opens the picture
// for whoever has it, and is valid for one to two hours, the same for calls in one hour.
func (s *Service) URL(m *gen.Media) (string, error) {
	if m.Visibility == Public {
		return Path + m.Hash + endings[m.ContentType], nil
	}
	expires := strconv.FormatInt(time.Now().Truncate(time.Hour).Add(2*time.Hour).Unix(), 10)
	signature, err := s.tokens.Sign(signedFor, m.ID+" "+expires)
	if err != nil {
		return "", err
	}
	return Path + m.ID + endings[m.ContentType] + "?" + url.Values{"expires": {expires}, "signature": {signature}}.Encode(), nil
}

// name is the last part of an address: a hash or an id, and the ending.
var name = regexp.MustCompile(`^(?:([0-9a-f]{64})|(media_[0-9A-Z]{26}))(\.png|\.jpg)$`)

// Served is a picture that a request may have.
type Served struct {
	*gen.Media
	// Signed tells that the address itself opened it.
	Signed bool
}

// Serve gives the picture of an address: of a public one for everybody, of a private one
// for the viewer who may see it and for who has an address of URL that is still valid.
// Everything else is NOT_FOUND; what can't be an address is not looked up.
func (s *Service) Serve(ctx context.Context, last string, query url.Values) (*Served, error) {
	parts := name.FindStringSubmatch(last)
	if parts == nil {
		return nil, store.Found(&gen.NotFoundError{}, "picture")
	}
	hash, id, ending := parts[1], parts[2], parts[3]
	where := media.ID(id)
	served := &Served{}
	if hash != "" {
		where = media.And(media.Hash(hash), media.VisibilityEQ(Public))
		ctx = auth.System(ctx, "media.serve")
	} else if served.Signed = s.signed(id, query); served.Signed {
		ctx = auth.System(ctx, "media.serve")
	} else if _, err := auth.Require(ctx); err != nil {
		return nil, store.Found(&gen.NotFoundError{}, "picture")
	}
	m, err := s.store.Client(ctx).Media.Query().Where(where).First(ctx)
	if err != nil {
		return nil, store.Found(err, "picture")
	}
	if endings[m.ContentType] != ending {
		return nil, store.Found(&gen.NotFoundError{}, "picture")
	}
	served.Media = m
	return served, nil
}

func (s *Service) signed(id string, query url.Values) bool {
	expires := query.Get("expires")
	until, err := strconv.ParseInt(expires, 10, 64)
	return err == nil && time.Now().Unix() < until && s.tokens.Signed(signedFor, id+" "+expires, query.Get("signature"))
}

// Open gives the bytes of a picture.
func (s *Service) Open(ctx context.Context, m *gen.Media) *Object {
	return s.bucket.Open(ctx, m.Hash, m.Bytes)
}
