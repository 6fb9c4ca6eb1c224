package scalar_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"parley/graph/scalar"
	"parley/internal/apperr"
	"parley/internal/event"
)

// written gives the string that a marshaler writes.
func written(t testing.TB, m graphql.Marshaler) string {
	t.Helper()
	var b bytes.Buffer
	m.MarshalGQL(&b)
	var s string
	if err := json.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatalf("%q is no JSON string: %v", b.Bytes(), err)
	}
	return s
}

func TestLanguagesBecomeCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "eng": "en", "PT-br": "pt-BR", "pt_BR": "pt-BR", "zh-hant-tw": "zh-Hant-TW", "und": "und",
		"iw": "he", "sr-Latn": "sr-Latn", "es-419": "es-419", "de-DE-1996": "de-DE-1996",
	} {
		if got, err := scalar.UnmarshalLanguage(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []any{"", " ", "e", "en us", "english language", "../../etc/passwd", "en-", "xx-yy-zz-aa", strings.Repeat("en-", 40), "en\x00", "💥", 7, nil, []any{"en"}, true} {
		if got, err := scalar.UnmarshalLanguage(in); !apperr.Is(err, apperr.BadInput) {
			t.Errorf("%v: %q, %v, want BAD_INPUT", in, got, err)
		}
	}
}

func TestTimesAreUTCWithMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 8, 37, 0, 123_456_789, time.FixedZone("", 3600))
	if got := written(t, scalar.MarshalTime(at)); got != "2026-11-21T07:37:00.123456Z" {
		t.Errorf("written %q", got)
	}
	got, err := scalar.UnmarshalTime("2026-11-21T08:37:00.123456789+01:00")
	if want := at.UTC().Truncate(time.Microsecond); err != nil || !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("read %v, %v, want %v", got, err, want)
	}
	for _, in := range []any{"", "yesterday", "2026-11-21", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", 0, nil, 1.5} {
		if _, err := scalar.UnmarshalTime(in); !apperr.Is(err, apperr.BadInput) {
			t.Errorf("%v: %v, want BAD_INPUT", in, err)
		}
	}
}

func TestEventCursorsComeBackAndOthersAreRefused(t *testing.T) {
	t.Parallel()
	cursor := event.Cursor{Epoch: "01M7YN3J462RR16JDN967M2GM8", Position: 42}
	got, err := scalar.UnmarshalEventCursor(written(t, scalar.MarshalEventCursor(cursor)))
	if err != nil || got != cursor {
		t.Errorf("came back as %+v, %v", got, err)
	}
	for _, in := range []any{"", "x", "cGcxLnsibyI6IlRJVExFIn0", "ZXYxLg", 42, nil} {
		if _, err := scalar.UnmarshalEventCursor(in); !apperr.Is(err, apperr.BadInput) {
			t.Errorf("%v: %v, want BAD_INPUT", in, err)
		}
	}
}

// A language that is taken stays what it is, and is safe in a path.
func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"en", "pt-BR", "zh-Hant-TW", "x-private", "i-klingon", "en-u-co-phonebk", "a", "und-x-y", "EN_us"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tag, err := scalar.UnmarshalLanguage(in)
		if err != nil {
			if !apperr.Is(err, apperr.BadInput) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		again, err := scalar.UnmarshalLanguage(tag)
		if err != nil || again != tag {
			t.Fatalf("%q became %q, which becomes %q, %v", in, tag, again, err)
		}
		if strings.ContainsFunc(tag, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) || len(tag) > 35 {
			t.Fatalf("%q became %q", in, tag)
		}
		if got := written(t, scalar.MarshalLanguage(tag)); got != tag {
			t.Fatalf("%q is written as %q", tag, got)
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-21T07:37:00.123456Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		at, err := scalar.UnmarshalTime(in)
		if err != nil {
			if !apperr.Is(err, apperr.BadInput) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		again, err := scalar.UnmarshalTime(written(t, scalar.MarshalTime(at)))
		if err != nil || !again.Equal(at) {
			t.Fatalf("%q became %v, which becomes %v, %v", in, at, again, err)
		}
	})
}

func FuzzEventCursor(f *testing.F) {
	f.Add(event.Cursor{Epoch: "e", Position: 1}.String())
	f.Add("ZXYxLmEuLTE")
	f.Add("")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := scalar.UnmarshalEventCursor(in)
		if err != nil {
			if !apperr.Is(err, apperr.BadInput) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		again, err := scalar.UnmarshalEventCursor(written(t, scalar.MarshalEventCursor(c)))
		if err != nil || again != c || c.Position < 0 {
			t.Fatalf("%q became %+v, which becomes %+v, %v", in, c, again, err)
		}
	})
}
