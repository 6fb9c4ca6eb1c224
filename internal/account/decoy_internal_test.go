package account

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An unknown address costs the same work as a known one.
func TestTheDecoyCostsWhatARealHashDoes(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), nil, nil, nil, nil, Config{})
	require.NoError(t, err)
	real, err := s.passwords.Hash(t.Context(), "a password")
	require.NoError(t, err)
	cost := func(hash string) string { return strings.Join(strings.Split(hash, "$")[:4], "$") }
	assert.Equal(t, cost(real), cost(s.decoy), "the decoy, a hash is %s", real)
	assert.Len(t, s.decoy, len(real), "the decoy, a hash is %s", real)
}

func FuzzEmailKey(f *testing.F) {
	for _, s := range []string{"Ada@Example.org", "ℍi@x.org", "ß@x.org", "İ@x.org", " a@x.org ", "ﷺ@x.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, email string) {
		if !utf8.ValidString(email) {
			return
		}
		key := emailKey(email)
		assert.Equal(t, key, emailKey(key), "%q, which", email)
		upper := emailKey(strings.ToUpper(email))
		assert.False(t, checkEmail(email) == nil && isASCII(email) && upper != key, "%q gives %q, in upper case %q", email, key, upper)
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
