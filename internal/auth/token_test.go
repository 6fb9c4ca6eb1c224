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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
)

var key = []byte("0123456789abcdef0123456789abcdef")

func newTokens(t testing.TB, lifetime time.Duration) *Tokens {
	t.Helper()
	tokens, err := NewTokens(key, lifetime)
	require.NoError(t, err)
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
	require.NoError(t, err)
	return token
}

func TestAnIssuedTokenGivesItsViewer(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	want := Viewer{ID: "user_1", Role: RoleAnalyst, Session: "sess_1"}
	token, expires, err := tokens.Issue(want)
	require.NoError(t, err)
	want.Expires = expires
	for range 2 { // parsed, then remembered
		got, until, err := tokens.Verify(token)
		require.NoError(t, err, "until")
		require.True(t, until.Equal(expires) && got.Expires.Equal(expires), "got %+v until %v", got, until)
		got.Expires = expires
		require.True(t, got == want, "got %+v, want %+v", got, want)
	}
	left := time.Until(expires)
	assert.LessOrEqual(t, left, time.Hour, "it expires in %v", left)
	assert.GreaterOrEqual(t, left, 59*time.Minute, "it expires in %v", left)
	other, err := NewTokens(key, time.Minute)
	require.NoError(t, err)
	_, _, err = other.Verify(token)
	assert.NoError(t, err, "another process with the same key refuses it")
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	valid := sign(t, jwt.SigningMethodHS256, good(), key)
	_, _, err = tokens.Verify(valid)
	require.NoError(t, err)
	parts := strings.Split(valid, ".")
	body, err := json.Marshal(with(func(c jwt.MapClaims) { c["role"] = "ADMIN" }))
	require.NoError(t, err)
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
		assert.True(t, apperr.Is(err, apperr.Unauthenticated), "%s: got %+v, %v", name, v, err)
		assert.True(t, v == Viewer{}, "%s: got %+v, %v", name, v, err)
		e := apperr.List(err)
		assert.True(t, len(e) == 1 && strings.Contains(e[0].Message, "not valid here"), "%s: says %v", name, err)
	}
}

func TestAnExpiredTokenSaysSoAlsoWhenItWasRemembered(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	expired := sign(t, jwt.SigningMethodHS256, with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Second).Unix() }), key)
	check := func() {
		t.Helper()
		_, _, err := tokens.Verify(expired)
		e := apperr.List(err)
		assert.True(t, len(e) == 1 && e[0].Code == apperr.Unauthenticated && strings.Contains(e[0].Message, "has expired"), "got %v", err)
	}
	check()
	// As if it had been verified while it was valid.
	tokens.verified.Add(sha256.Sum256([]byte(expired)), verified{Viewer{ID: "user_1", Role: RoleAdmin}, time.Now().Add(-time.Second)})
	check()
	assert.Zero(t, tokens.verified.Len(), "an expired token stays remembered")
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, time.Hour)
	for range 100 {
		tokens.verified.Add(sha256.Sum256([]byte(rand.Text())), verified{})
	}
	_, _, err := tokens.Verify("not a token")
	require.Error(t, err, "a refused token is remembered")
	assert.Equal(t, 100, tokens.verified.Len(), "a refused token is remembered")
	for range 11_000 {
		tokens.verified.Add(sha256.Sum256([]byte(rand.Text())), verified{})
	}
	n := tokens.verified.Len()
	assert.Equal(t, 10_000, n, "%d are remembered", n)
}

func TestAShortKeyIsRefused(t *testing.T) {
	t.Parallel()
	_, err := NewTokens(key[:MinKeyBytes-1], time.Hour)
	assert.Error(t, err)
	assert.ErrorContains(t, err, "has 31 bytes, it needs 32")
}

func TestSecretsAreLongRandomAndKeptAsDigests(t *testing.T) {
	t.Parallel()
	a, err := NewSecret("prt_")
	require.NoError(t, err)
	b, err := NewSecret("prt_")
	assert.NoError(t, err)
	assert.NotEqual(t, b, a)
	assert.Len(t, a, len("prt_")+43)
	assert.True(t, strings.HasPrefix(a, "prt_"), "%s, %s", a, b)
	assert.NotEqual(t, string(HashSecret(b)), string(HashSecret(a)), "digests repeat")
	assert.Len(t, HashSecret(a), 32, "digests repeat")
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, time.Hour)
	token, _, err := tokens.Issue(Viewer{ID: "user_1", Role: RoleUser})
	require.NoError(f, err)
	f.Add(token)
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		v, _, err := tokens.Verify(s)
		assert.Equal(t, v.ID == "user_1", err == nil, "%q gives %+v, %v", s, v, err)
	})
}
