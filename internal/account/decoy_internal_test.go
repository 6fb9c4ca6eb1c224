package account

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// An unknown address costs the same work as a known one.
func TestTheDecoyCostsWhatARealHashDoes(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), nil, nil, nil, nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	real, err := s.passwords.Hash(t.Context(), "a password")
	if err != nil {
		t.Fatal(err)
	}
	cost := func(hash string) string { return strings.Join(strings.Split(hash, "$")[:4], "$") }
	if cost(s.decoy) != cost(real) || len(s.decoy) != len(real) {
		t.Errorf("the decoy is %s, a hash is %s", s.decoy, real)
	}
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
		if again := emailKey(key); again != key {
			t.Errorf("%q gives %q, which gives %q", email, key, again)
		}
		if upper := emailKey(strings.ToUpper(email)); checkEmail(email) == nil && isASCII(email) && upper != key {
			t.Errorf("%q gives %q, in upper case %q", email, key, upper)
		}
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
