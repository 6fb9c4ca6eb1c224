package feedback

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

	"parley/internal/apperr"
	"parley/internal/auth"
)

// VisitorPrefix begins the voter of a visitor.
const VisitorPrefix = "visitor:"

// VoterOf gives who votes and searches: a user's id, or VisitorPrefix and the id of a
// visitor's cookie. Without either it is UNAUTHENTICATED.
func VoterOf(ctx context.Context) (string, error) {
	viewer, err := auth.Require(ctx)
	if err == nil {
		return viewer.ID, nil
	}
	if visitor := auth.VisitorOf(ctx); visitor.ID != "" && apperr.Is(err, apperr.Unauthenticated) {
		return VisitorPrefix + visitor.ID, nil
	}
	return "", err
}

// May is who may search and report: people, and with Config.Anonymous visitors.
func (s *Service) May(ctx context.Context) error { return s.may(ctx) }

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
