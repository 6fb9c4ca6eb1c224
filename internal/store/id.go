package store

import (
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"parley/internal/apperr"
)

// NewID makes an opaque id of a kind: its prefix, an underscore and a ULID,
// so that ids of one process sort by the time of their making.
func NewID(prefix string) string { return prefix + "_" + ulid.Make().String() }

// Prefix gives the kind of a well-formed id. Other spellings of a ULID, such as
// lower case, are no ids: one row has one id, and one key in a cache.
func Prefix(id string) (string, bool) {
	prefix, rest, ok := strings.Cut(id, "_")
	if !ok || prefix == "" {
		return "", false
	}
	parsed, err := ulid.ParseStrict(rest)
	if err != nil || parsed.String() != rest {
		return "", false
	}
	return prefix, true
}

// CheckID refuses what can't be an id of the kind. A well-formed id of another
// kind is NOT_FOUND, as any id that nothing has; the rest is BAD_INPUT at path.
func CheckID(prefix, id string, path ...string) error {
	got, ok := Prefix(id)
	if !ok {
		e := apperr.New(apperr.BadInput, "%q is not an id.", clip(id))
		e.Path = path
		return e
	}
	if got != prefix {
		return apperr.NotFoundf("Nothing of that kind has the id %q.", clip(id))
	}
	return nil
}

func clip(s string) string {
	const most = 64
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Now is the time cut to microseconds in UTC, which is what both databases and
// the API keep.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
