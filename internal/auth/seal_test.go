package auth_test

import (
	"strings"
	"testing"
	"time"

	"parley/internal/auth"
)

func TestWhatIsSealedOpensOnlyWithTheSameWordsAndKey(t *testing.T) {
	t.Parallel()
	tokens := func(key string) *auth.Tokens {
		made, err := auth.NewTokens([]byte(strings.Repeat(key, auth.MinKeyBytes)), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	ours := tokens("k")
	sealed, err := ours.Seal("secret", "owner", "word")
	if err != nil || strings.Contains(sealed, "secret") {
		t.Fatalf("%q, %v", sealed, err)
	}
	if text, err := tokens("k").Unseal(sealed, "owner", "word"); err != nil || text != "secret" {
		t.Errorf("it opens as %q, %v", text, err)
	}
	if again, err := ours.Seal("secret", "owner", "word"); err != nil || again == sealed {
		t.Errorf("sealed twice it is the same: %v", err)
	}
	for what, open := range map[string]func() (string, error){
		"another word":        func() (string, error) { return ours.Unseal(sealed, "owner", "other") },
		"joined words":        func() (string, error) { return ours.Unseal(sealed, "ownerword") },
		"words the wrong way": func() (string, error) { return ours.Unseal(sealed, "word", "owner") },
		"another key":         func() (string, error) { return tokens("x").Unseal(sealed, "owner", "word") },
		"another text":        func() (string, error) { return ours.Unseal(sealed[:len(sealed)-2]+"AA", "owner", "word") },
		"nothing":             func() (string, error) { return ours.Unseal("", "owner", "word") },
		"no base64":           func() (string, error) { return ours.Unseal("?", "owner", "word") },
	} {
		if text, err := open(); err == nil {
			t.Errorf("%s opens it: %q", what, text)
		}
	}
}
