package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
)

func TestIDsSortByTheTimeOfTheirMaking(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = NewID("note")
	}
	require.True(t, slices.IsSorted(ids), "ids of one process do not sort by their making, or repeat")
	require.Len(t, slices.Compact(ids), len(ids), "ids of one process do not sort by their making, or repeat")
}

func TestCheckIDTellsMalformedFromForeignIDs(t *testing.T) {
	t.Parallel()
	good := NewID("note")
	_, digits, _ := strings.Cut(good, "_")
	for id, want := range map[string]apperr.Code{
		good:                              "",
		NewID("job"):                      apperr.NotFound,
		"":                                apperr.BadInput,
		"note":                            apperr.BadInput,
		"note_":                           apperr.BadInput,
		"_" + digits:                      apperr.BadInput,
		digits:                            apperr.BadInput,
		good + "0":                        apperr.BadInput,
		good[:len(good)-1]:                apperr.BadInput,
		"note_" + digits[:25] + "U":       apperr.BadInput,
		"note_8" + digits[1:]:             apperr.BadInput, // beyond 128 bits
		good + "\x00":                     apperr.BadInput,
		strings.Repeat("é\x00", 1e5):      apperr.BadInput,
		"note_" + good:                    apperr.BadInput,
		"NOTE_" + digits:                  apperr.NotFound,
		"no\x00te_" + digits:              apperr.NotFound,
		"' OR 1=1 --_" + digits:           apperr.NotFound,
		"note_" + strings.ToLower(digits): apperr.BadInput,
	} {
		err := CheckID("note", id, "id")
		if want == "" {
			assert.NoError(t, err, "%q", id)
			continue
		}
		if !apperr.Is(err, want) {
			t.Errorf("%.40q gives %v, want %s", id, err, want)
			continue
		}
		e := apperr.List(err)[0]
		assert.False(t, len(e.Message) > 600 || want == apperr.BadInput && !slices.Equal(e.Path, []string{"id"}),
			"%.40q: message of %d bytes, path %v", id, len(e.Message), e.Path)
	}
}

func FuzzCheckID(f *testing.F) {
	f.Add(NewID("note"))
	f.Add("note_")
	f.Fuzz(func(t *testing.T, id string) {
		err := CheckID("note", id, "id")
		assert.False(t, err == nil && (len(id) != len("note_")+26 || id != strings.ToValidUTF8(id, "") || strings.ContainsRune(id, 0)), "%q passes", id)
	})
}

func TestNowHasNoMoreThanMicroseconds(t *testing.T) {
	t.Parallel()
	now := Now()
	assert.Same(t, time.UTC, now.Location(), "got %v", now)
	assert.Zero(t, now.Nanosecond()%1000, "got %v", now)
}

func TestRedactHidesPasswordsOnly(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:p@h/db":                 "postgres://u:xxxxx@h/db",
		"postgres://h/db?password=p&user=u":   "postgres://h/db?password=xxxxx&user=u",
		"postgres://h/db?sslpassword=p":       "postgres://h/db?sslpassword=xxxxx",
		"postgres://h/db?sslmode=disable&a=b": "postgres://h/db?sslmode=disable&a=b",
		"sqlite:./a%zz:b@c":                   "sqlite:./a%zz:b@c",
		"postgres://u:p@h:x/db":               "(unreadable URL)",
	} {
		got := Redact(url)
		assert.Equal(t, want, got, "%s is shown as %s, want %s", url, got, want)
	}
}

func TestInMakesAPlaceholderForEachValue(t *testing.T) {
	t.Parallel()
	in, args := In([]string{"a", "b"})
	assert.Equal(t, "(?, ?)", in)
	assert.Len(t, args, 2)
	s := &Store{dialect: "postgres"}
	assert.Equal(t, "a IN ($1, $2) AND b = $3", s.bind("a IN "+in+" AND b = ?"))
}

// N4: one row has one id, so a cache has one key for it.
func TestN4OtherSpellingsOfAnIDAreNoIDs(t *testing.T) {
	t.Parallel()
	const id = "note_01J0ABCDEFGHJKMNPQRSTVWXYZ"
	require.NoError(t, CheckID("note", id))
	for _, other := range []string{
		strings.ToLower(id), "note_" + strings.ToLower(id[5:]), strings.Replace(id, "01J0", "O1J0", 1), strings.Replace(id, "01J0", "0IJ0", 1),
		"note_0" + id[5:], " " + id, id + " ", "note__" + id[5:],
	} {
		assert.Error(t, CheckID("note", other), "%q is taken for an id", other)
	}
}
