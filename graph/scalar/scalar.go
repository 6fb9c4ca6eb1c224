// Package scalar reads and writes the schema's scalars.
package scalar

import (
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/langtag"
)

// timeFormat is RFC 3339 with microseconds.
const timeFormat = "2006-01-02T15:04:05.999999Z07:00"

// MarshalTime writes a Time.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format(timeFormat)))
	})
}

// UnmarshalTime reads a Time.
func UnmarshalTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, apperr.New(apperr.BadInput, "A time is a string by RFC 3339.")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, apperr.New(apperr.BadInput, "%q is not a time by RFC 3339.", s)
	}
	t = t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < 1 || y > 9999 { // RFC 3339 writes four digits
		return time.Time{}, apperr.New(apperr.BadInput, "%q lies outside the years 1 to 9999.", s)
	}
	return t, nil
}

// MarshalEventCursor writes an EventCursor.
func MarshalEventCursor(c event.Cursor) graphql.Marshaler {
	return graphql.MarshalString(c.String())
}

// UnmarshalEventCursor reads an EventCursor.
func UnmarshalEventCursor(v any) (event.Cursor, error) {
	s, ok := v.(string)
	if !ok {
		return event.Cursor{}, apperr.New(apperr.BadInput, "A cursor of the event log is a string.")
	}
	return event.ParseCursor(s)
}

// MarshalLanguage writes a Language.
func MarshalLanguage(tag string) graphql.Marshaler { return graphql.MarshalString(tag) }

// UnmarshalLanguage reads a Language and makes it canonical: "PT-br" becomes
// "pt-BR", "eng" becomes "en".
func UnmarshalLanguage(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", apperr.New(apperr.BadInput, "A language is a string, a tag of BCP 47.")
	}
	return langtag.Canonical(s)
}

// MarshalItemLanguage writes a Language.
func MarshalItemLanguage(tag dialog.Language) graphql.Marshaler {
	return graphql.MarshalString(string(tag))
}

// UnmarshalItemLanguage reads the Language of one item among many, whose
// service refuses that item alone when the language is none.
func UnmarshalItemLanguage(v any) (dialog.Language, error) {
	s, ok := v.(string)
	if !ok {
		return "", apperr.New(apperr.BadInput, "A language is a string, a tag of BCP 47.")
	}
	return dialog.Language(s), nil
}
