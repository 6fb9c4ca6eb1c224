package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Sign gives a signature of a text for one purpose, URL-safe: HMAC-SHA256 under a key
// that HKDF derives from the signing key of this installation.
func (t *Tokens) Sign(purpose, text string) (string, error) {
	key, err := hkdf.Key(sha256.New, t.key, nil, "parley sign "+purpose, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a key: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Signed tells whether a signature is the one of Sign.
func (t *Tokens) Signed(purpose, text, signature string) bool {
	want, err := t.Sign(purpose, text)
	return err == nil && hmac.Equal([]byte(want), []byte(signature))
}
