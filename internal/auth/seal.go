package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Seal encrypts a text so that opening it takes both the signing key of this
// installation and all words that it was sealed with (AES-256-GCM under a key by
// HKDF). Neither a copy of the database nor the words alone give it away.
func (t *Tokens) Seal(text string, with ...string) (string, error) {
	aead, err := t.sealer(with)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(text), nil)), nil
}

// Unseal gives the text of Seal, or an error when the signing key or the words
// are others.
func (t *Tokens) Unseal(sealed string, with ...string) (string, error) {
	aead, err := t.sealer(with)
	if err != nil {
		return "", err
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < aead.NonceSize() {
		return "", errors.New("unseal: this is nothing that was sealed")
	}
	text, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], nil)
	if err != nil {
		return "", fmt.Errorf("unseal: %w", err)
	}
	return string(text), nil
}

func (t *Tokens) sealer(with []string) (cipher.AEAD, error) {
	info, err := json.Marshal(with)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, t.key, nil, "parley seal "+string(info), 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return cipher.NewGCM(block)
}
