package feedback

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// VisitorPrefix begins the voter of a visitor, and KeyPrefix that of an API key.
const (
	VisitorPrefix = "visitor:"
	KeyPrefix     = "key:"
)

// VoterOf gives who votes and chooses: a user's id, KeyPrefix and the id of an API key, or
// VisitorPrefix and the id of a visitor's cookie. Without any it is UNAUTHENTICATED. It
// says nothing of what they may do.
func VoterOf(ctx context.Context) (string, error) {
	viewer, err := auth.Require(ctx)
	if err == nil {
		return viewer.ID, nil
	}
	if viewer, _ := auth.From(ctx); viewer.Key != "" {
		return KeyPrefix + viewer.Key, nil
	}
	if visitor := auth.VisitorOf(ctx); visitor.ID != "" && apperr.Is(err, apperr.Unauthenticated) {
		return VisitorPrefix + visitor.ID, nil
	}
	return "", err
}

// May is who may search and report: people, and with Config.Anonymous visitors.
func (s *Service) May(ctx context.Context) error { return s.may(ctx) }

// mayChoose is who may say what they chose: as May, and API keys that may search.
func (s *Service) mayChoose(ctx context.Context) error {
	if viewer, _ := auth.From(ctx); viewer.Key != "" {
		_, err := auth.RequireScope(ctx, auth.ScopeStickersSearch)
		return err
	}
	return s.may(ctx)
}

// Anonymous tells whether people may search and report without an account.
func (s *Service) Anonymous() bool { return s.cfg.Anonymous }

const (
	visitorPurpose = "visitor"
	visitorBytes   = 16
)

// NewVisitor gives the id of a new visitor and the value of the cookie that proves it.
func (s *Service) NewVisitor() (id, cookie string, err error) {
	var raw [visitorBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", "", err
	}
	id = base64.RawURLEncoding.EncodeToString(raw[:])
	signature, err := s.tokens.Sign(visitorPurpose, id)
	return id, id + "." + signature, err
}

// Visitor gives the id of the visitor whose cookie it is, false for what this
// installation did not sign.
func (s *Service) Visitor(cookie string) (id string, ok bool) {
	id, signature, found := strings.Cut(cookie, ".")
	if !found || !s.tokens.Signed(visitorPurpose, id, signature) {
		return "", false
	}
	return id, true
}
