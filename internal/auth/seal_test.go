package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/auth"
)

func TestWhatIsSealedOpensOnlyWithTheSameWordsAndKey(t *testing.T) {
	t.Parallel()
	tokens := func(key string) *auth.Tokens {
		made, err := auth.NewTokens([]byte(strings.Repeat(key, auth.MinKeyBytes)), time.Minute)
		require.NoError(t, err)
		return made
	}
	ours := tokens("k")
	sealed, err := ours.Seal("secret", "owner", "word")
	require.NoError(t, err)
	require.NotContains(t, sealed, "secret")
	text, err := tokens("k").Unseal(sealed, "owner", "word")
	assert.NoError(t, err, "it opens as %q", text)
	assert.Equal(t, "secret", text, "it opens as %q", text)
	again, err := ours.Seal("secret", "owner", "word")
	assert.NoError(t, err, "sealed twice it is the same")
	assert.NotEqual(t, sealed, again, "sealed twice it is the same")
	// The first character: behind the last one there may be bits that mean nothing.
	changed := "A" + sealed[1:]
	if changed == sealed {
		changed = "B" + sealed[1:]
	}
	for what, open := range map[string]func() (string, error){
		"another word":        func() (string, error) { return ours.Unseal(sealed, "owner", "other") },
		"joined words":        func() (string, error) { return ours.Unseal(sealed, "ownerword") },
		"words the wrong way": func() (string, error) { return ours.Unseal(sealed, "word", "owner") },
		"another key":         func() (string, error) { return tokens("x").Unseal(sealed, "owner", "word") },
		"another text":        func() (string, error) { return ours.Unseal(changed, "owner", "word") },
		"nothing":             func() (string, error) { return ours.Unseal("", "owner", "word") },
		"no base64":           func() (string, error) { return ours.Unseal("?", "owner", "word") },
	} {
		text, err := open()
		assert.Error(t, err, "%s opens it: %q", what, text)
	}
}
