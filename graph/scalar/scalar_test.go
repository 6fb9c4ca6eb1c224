package scalar_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.NoError(t, json.Unmarshal(b.Bytes(), &s), "%q is no JSON string", b.Bytes())
	return s
}

func TestLanguagesBecomeCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "eng": "en", "PT-br": "pt-BR", "pt_BR": "pt-BR", "zh-hant-tw": "zh-Hant-TW", "und": "und",
		"iw": "he", "sr-Latn": "sr-Latn", "es-419": "es-419", "de-DE-1996": "de-DE-1996",
	} {
		got, err := scalar.UnmarshalLanguage(in)
		assert.NoError(t, err, "%q", in)
		assert.Equal(t, want, got, "%q", in)
	}
	for _, in := range []any{"", " ", "e", "en us", "english language", "../../etc/passwd", "en-", "xx-yy-zz-aa", strings.Repeat("en-", 40), "en\x00", "💥", 7, nil, []any{"en"}, true} {
		got, err := scalar.UnmarshalLanguage(in)
		assert.True(t, apperr.Is(err, apperr.BadInput), "%v: %q, %v, want BAD_INPUT", in, got, err)
	}
}

func TestTimesAreUTCWithMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 8, 37, 0, 123_456_789, time.FixedZone("", 3600))
	assert.Equal(t, "2026-11-21T07:37:00.123456Z", written(t, scalar.MarshalTime(at)), "written")
	got, err := scalar.UnmarshalTime("2026-11-21T08:37:00.123456789+01:00")
	want := at.UTC().Truncate(time.Microsecond)
	assert.NoError(t, err)
	assert.True(t, got.Equal(want) && got.Location() == time.UTC, "read %v, want %v", got, want)
	for _, in := range []any{"", "yesterday", "2026-11-21", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", 0, nil, 1.5} {
		_, err := scalar.UnmarshalTime(in)
		assert.True(t, apperr.Is(err, apperr.BadInput), "%v: %v, want BAD_INPUT", in, err)
	}
}

func TestEventCursorsComeBackAndOthersAreRefused(t *testing.T) {
	t.Parallel()
	cursor := event.Cursor{Epoch: "01M7YN3J462RR16JDN967M2GM8", Position: 42}
	got, err := scalar.UnmarshalEventCursor(written(t, scalar.MarshalEventCursor(cursor)))
	assert.NoError(t, err)
	assert.Equal(t, cursor, got)
	for _, in := range []any{"", "x", "cGcxLnsibyI6IlRJVExFIn0", "ZXYxLg", 42, nil} {
		_, err := scalar.UnmarshalEventCursor(in)
		assert.True(t, apperr.Is(err, apperr.BadInput), "%v: %v, want BAD_INPUT", in, err)
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
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v", in, err)
			return
		}
		again, err := scalar.UnmarshalLanguage(tag)
		require.NoError(t, err, "%q, which", in)
		require.Equal(t, tag, again, "%q, which", in)
		if strings.ContainsFunc(tag, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) || len(tag) > 35 {
			t.Fatalf("%q became %q", in, tag)
		}
		require.Equal(t, tag, written(t, scalar.MarshalLanguage(tag)))
	})
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-21T07:37:00.123456Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		at, err := scalar.UnmarshalTime(in)
		if err != nil {
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v", in, err)
			return
		}
		again, err := scalar.UnmarshalTime(written(t, scalar.MarshalTime(at)))
		require.NoError(t, err, "%q became %v, which", in, at)
		require.True(t, again.Equal(at), "%q became %v, which becomes %v", in, at, again)
	})
}

func FuzzEventCursor(f *testing.F) {
	f.Add(event.Cursor{Epoch: "e", Position: 1}.String())
	f.Add("ZXYxLmEuLTE")
	f.Add("")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := scalar.UnmarshalEventCursor(in)
		if err != nil {
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v", in, err)
			return
		}
		again, err := scalar.UnmarshalEventCursor(written(t, scalar.MarshalEventCursor(c)))
		require.NoError(t, err, "%q, which", in)
		require.Equal(t, c, again, "%q, which", in)
		require.GreaterOrEqual(t, c.Position, int64(0), "%q, which", in)
	})
}
