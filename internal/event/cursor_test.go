package event

import (
	"encoding/base64"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/internal/apperr"
)

func TestACursorReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []Cursor{{"01J", 0}, {"01J", 1}, {"", 5}, {newEpoch(), math.MaxInt64}} {
		got, err := ParseCursor(c.String())
		assert.NoError(t, err)
		assert.Equal(t, c, got)
	}
}

func TestWhatIsNoCursorOfTheLogIsBadInputAtItsPath(t *testing.T) {
	t.Parallel()
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, s := range []string{
		"", "x", "!", "ev1.a.1", raw("ev1."), raw("ev1.a"), raw("ev1.a."), raw("ev1.a.-1"), raw("ev1.a.+1"), raw("ev1.a.01"),
		raw("ev1.a.1.2"), raw("ev1.a.99999999999999999999"), raw("pg1.{}"), raw("ev2.a.1"), raw("ev1.a.1") + "=", raw("ev1.a.1") + "\n",
	} {
		_, err := ParseCursor(s, "input", "after")
		all := apperr.List(err)
		assert.True(t, len(all) == 1 && all[0].Code == apperr.BadInput && slices.Equal(all[0].Path, []string{"input", "after"}), "%q gives %v", s, err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{"01J", 7}.String())
	f.Add("ZXYx")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		assert.False(t, err == nil && (c.String() != s || c.Position < 0), "%q gives %+v", s, c)
	})
}

func TestAnAudienceHasOneShard(t *testing.T) {
	t.Parallel()
	assert.NotEqual(t, Role("a"), User("a"), "a user and a role share an audience")
	shard := ShardOf(User("a"))
	assert.Equal(t, ShardOf("u:a"), shard, "shard")
	assert.GreaterOrEqual(t, shard, 0, "shard")
	assert.Less(t, shard, Shards, "shard")
}
