package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parley/internal/apperr"
)

var key = []byte("0123456789abcdef0123456789abcdef")

func newTokens(t testing.TB, lifetime time.Duration) *Tokens {
	t.Helper()
	tokens, err := NewTokens(key, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "parley", "sub": "user_1", "role": "USER", "sid": "sess_1",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
}

func with(change func(jwt.MapClaims)) jwt.MapClaims {
	c := good()
	change(c)
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, c jwt.Claims, key any) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAnIssuedTokenGivesItsViewer(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	want := Viewer{ID: "user_1", Role: RoleAnalyst, Session: "sess_1"}
	token, expires, err := tokens.Issue(want)
	if err != nil {
		t.Fatal(err)
	}
	want.Expires = expires
	for range 2 { // parsed, then remembered
		got, until, err := tokens.Verify(token)
		if err != nil || !until.Equal(expires) || !got.Expires.Equal(expires) {
			t.Fatalf("got %+v until %v, %v", got, until, err)
		}
		got.Expires = expires
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	if left := time.Until(expires); left > time.Hour || left < 59*time.Minute {
		t.Errorf("it expires in %v", left)
	}
	other, err := NewTokens(key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Verify(token); err != nil {
		t.Errorf("another process with the same key refuses it: %v", err)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	valid := sign(t, jwt.SigningMethodHS256, good(), key)
	if _, _, err := tokens.Verify(valid); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(valid, ".")
	body, err := json.Marshal(with(func(c jwt.MapClaims) { c["role"] = "ADMIN" }))
	if err != nil {
		t.Fatal(err)
	}
	admin := base64.RawURLEncoding.EncodeToString(body)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	hs := func(c jwt.Claims) string { return sign(t, jwt.SigningMethodHS256, c, key) }
	for name, token := range map[string]string{
		"empty":               "",
		"no token":            "hello",
		"two dots":            "..",
		"body changed":        parts[0] + "." + admin + "." + parts[2],
		"signature gone":      parts[0] + "." + parts[1] + ".",
		"signature cut":       valid[:len(valid)-4],
		"alg none":            none + "." + parts[1] + ".",
		"alg None by library": sign(t, jwt.SigningMethodNone, good(), jwt.UnsafeAllowNoneSignatureType),
		"another key":         sign(t, jwt.SigningMethodHS256, good(), []byte("another key of thirty-two bytes!")),
		"HS384":               sign(t, jwt.SigningMethodHS384, good(), key),
		"HS512":               sign(t, jwt.SigningMethodHS512, good(), key),
		"RS256":               sign(t, jwt.SigningMethodRS256, good(), private),
		"no issuer":           hs(with(func(c jwt.MapClaims) { delete(c, "iss") })),
		"another issuer":      hs(with(func(c jwt.MapClaims) { c["iss"] = "elsewhere" })),
		"no expiry":           hs(with(func(c jwt.MapClaims) { delete(c, "exp") })),
		"expiry is a word":    hs(with(func(c jwt.MapClaims) { c["exp"] = "never" })),
		"not yet":             hs(with(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() })),
		"nobody":              hs(with(func(c jwt.MapClaims) { delete(c, "sub") })),
		"no role":             hs(with(func(c jwt.MapClaims) { delete(c, "role") })),
		"unknown role":        hs(with(func(c jwt.MapClaims) { c["role"] = "ROOT" })),
		"role is a list":      hs(with(func(c jwt.MapClaims) { c["role"] = []string{"ADMIN"} })),
		"long":                strings.Repeat("a", 1<<20),
	} {
		v, _, err := tokens.Verify(token)
		if !apperr.Is(err, apperr.Unauthenticated) || v != (Viewer{}) {
			t.Errorf("%s: got %+v, %v", name, v, err)
		}
		if e := apperr.List(err); len(e) != 1 || !strings.Contains(e[0].Message, "not valid here") {
			t.Errorf("%s: says %v", name, err)
		}
	}
}

func TestAnExpiredTokenSaysSoAlsoWhenItWasRemembered(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	expired := sign(t, jwt.SigningMethodHS256, with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Second).Unix() }), key)
	check := func() {
		t.Helper()
		_, _, err := tokens.Verify(expired)
		if e := apperr.List(err); len(e) != 1 || e[0].Code != apperr.Unauthenticated || !strings.Contains(e[0].Message, "has expired") {
			t.Errorf("got %v", err)
		}
	}
	check()
	// As if it had been verified while it was valid.
	tokens.verified.Add(sha256.Sum256([]byte(expired)), verified{Viewer{ID: "user_1", Role: RoleAdmin}, time.Now().Add(-time.Second)})
	check()
	if tokens.verified.Len() != 0 {
		t.Error("an expired token stays remembered")
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	for range 100 {
		tokens.verified.Add(sha256.Sum256([]byte(rand.Text())), verified{})
	}
	if _, _, err := tokens.Verify("not a token"); err == nil || tokens.verified.Len() != 100 {
		t.Errorf("a refused token is remembered: %d, %v", tokens.verified.Len(), err)
	}
	for range 11_000 {
		tokens.verified.Add(sha256.Sum256([]byte(rand.Text())), verified{})
	}
	if n := tokens.verified.Len(); n != 10_000 {
		t.Errorf("%d are remembered", n)
	}
}

func TestAShortKeyIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := NewTokens(key[:MinKeyBytes-1], time.Hour); err == nil || !strings.Contains(err.Error(), "has 31 bytes, it needs 32") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreLongRandomAndKeptAsDigests(t *testing.T) {
	t.Parallel()
	a, err := NewSecret("prt_")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewSecret("prt_")
	if err != nil || a == b || len(a) != len("prt_")+43 || !strings.HasPrefix(a, "prt_") {
		t.Errorf("%s, %s, %v", a, b, err)
	}
	if string(HashSecret(a)) == string(HashSecret(b)) || len(HashSecret(a)) != 32 {
		t.Error("digests repeat")
	}
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, time.Hour)
	token, _, err := tokens.Issue(Viewer{ID: "user_1", Role: RoleUser})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		if v, _, err := tokens.Verify(s); (err == nil) != (v.ID == "user_1") {
			t.Errorf("%q gives %+v, %v", s, v, err)
		}
	})
}
