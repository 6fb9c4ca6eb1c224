// Package event is the log of committed changes: rows, their positions in
// publish order, and the cursors that clients resume from.
package event

import (
	"encoding/base64"
	"strconv"
	"strings"

	"parley/internal/apperr"
)

// Change is an event that a transaction is about to commit. It holds ids and
// state words, never a user's text.
type Change struct {
	Audience string
	Topic    string
	Type     string
	Object   string
	Parent   string
	Version  int64
	State    string
}

// User is the audience of one user.
func User(id string) string { return "u:" + id }

// Role is the audience of everybody with a role.
func Role(role string) string { return "r:" + role }

// Author is the audience of whoever listens to what an account publishes.
func Author(id string) string { return "a:" + id }

// Cursor is a position in the event log.
type Cursor struct {
	Epoch    string
	Position int64
}

const cursorMark = "ev1."

// String gives the cursor's opaque form.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + c.Epoch + "." + strconv.FormatInt(c.Position, 10)))
}

// ParseCursor reads what String gave; anything else is BAD_INPUT at path.
func ParseCursor(s string, path ...string) (Cursor, error) {
	bad := apperr.New(apperr.BadInput, "This is not a cursor of the event log.")
	bad.Path = path
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Cursor{}, bad
	}
	rest, ok := strings.CutPrefix(string(raw), cursorMark)
	if !ok {
		return Cursor{}, bad
	}
	epoch, number, _ := strings.Cut(rest, ".")
	position, err := strconv.ParseInt(number, 10, 64)
	c := Cursor{Epoch: epoch, Position: position}
	if err != nil || position < 0 || c.String() != s {
		return Cursor{}, bad
	}
	return c, nil
}
