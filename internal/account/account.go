// Package account holds users, their sessions (sign-up, sign-in, refresh tokens
// with rotation, sign-out) and their API keys.
package account

import (
	"errors"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/store"
)

// Limits of an account's words.
const (
	maxEmail    = 254
	minPassword = 8
	maxPassword = 256
)

// SignUpInput is the input of signUp.
type SignUpInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Validate reports every problem of the input.
func (in SignUpInput) Validate() error {
	return errors.Join(checkEmail(in.Email), checkPassword(in.Password))
}

// SignInInput is the input of signIn.
type SignInInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	// Cookie asks for an HttpOnly cookie with the access token as well.
	Cookie *bool `json:"cookie"`
}

// RefreshInput is the input of refresh.
type RefreshInput struct {
	RefreshToken string `json:"refreshToken"`
}

// Session is what a sign-in gives.
type Session struct {
	User         *gen.User
	AccessToken  string
	ExpiresAt    time.Time
	RefreshToken string
	Cursor       event.Cursor
}

func checkEmail(email string) error {
	parsed, err := mail.ParseAddress(email)
	domain := email[strings.LastIndexByte(email, '@')+1:]
	if err != nil || parsed.Address != email || !store.Storable(email) || max(len(email), len(emailKey(email))) > maxEmail ||
		!strings.Contains(strings.Trim(domain, "."), ".") && domain != "localhost" {
		return apperr.Input("email", "This is not an e-mail address.")
	}
	return nil
}

func checkPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || len(password) > maxPassword {
		return apperr.Input("password", "A password has at least %d characters and at most %d bytes.", minPassword, maxPassword)
	}
	return nil
}

// emailKey is the address by which an account is found: folding it again
// changes nothing, so that each account has one key.
func emailKey(email string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(email))))
}
