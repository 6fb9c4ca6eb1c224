package auth

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
)

func TestAPasswordMatchesItsHashAndNoOther(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	hash, err := p.Hash(t.Context(), "correct horse")
	require.NoError(t, err, hash)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), hash)
	again, err := p.Hash(t.Context(), "correct horse")
	assert.NoError(t, err, "two hashes of one password are equal: the salt is missing")
	assert.NotEqual(t, hash, again, "two hashes of one password are equal: the salt is missing")
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false, "correct horse\x00": false} {
		ok, err := p.Matches(t.Context(), password, hash)
		assert.NoError(t, err, "%q", password)
		assert.Equal(t, want, ok, "%q", password)
	}
}

// The vector is that of the reference implementation's test.c: version 0x13,
// t=2, m=2^8 KiB, p=1, "password", "somesalt".
func TestMatchesReadsTheCostFromTheHash(t *testing.T) {
	t.Parallel()
	const known = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	ok, err := NewPasswords().Matches(t.Context(), "password", known)
	assert.NoError(t, err)
	assert.True(t, ok, "%v", ok)
}

func TestADamagedHashIsAnErrorAndNoMatch(t *testing.T) {
	t.Parallel()
	const salt, sum = "c29tZXNhbHQ", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for _, hash := range []string{
		"", "x", "$2a$10$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=256,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=16$m=256,t=2,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=256,t=0,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=256,t=2,p=0$" + salt + "$" + sum,
		"$argon2id$v=19$m=-1,t=2,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=999999999,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=256,t=2,p=1$!$" + sum, "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$!",
	} {
		ok, err := NewPasswords().Matches(t.Context(), "password", hash)
		assert.False(t, ok, "%s: %v, %v", hash, ok, err)
		assert.Error(t, err, hash)
	}
	ok, _ := NewPasswords().Matches(t.Context(), "password", "$argon2id$v=19$m=256,t=2,p=1$"+salt+"$")
	assert.False(t, ok, "an empty sum matches")
}

func TestTwoPasswordsAreHashedAtATimeAndTooManyAreRefused(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	begun, finish := make(chan struct{}), make(chan struct{})
	var now, most atomic.Int32
	p.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		begun <- struct{}{}
		<-finish
		return make([]byte, keyLen)
	}
	var group sync.WaitGroup
	for range atOnce + waiting {
		group.Add(1)
		go func() {
			defer group.Done()
			_, err := p.Hash(t.Context(), "x")
			assert.NoError(t, err)
		}()
	}
	<-begun
	<-begun
	for len(p.admitted) < cap(p.admitted) { // the others are on their way into the queue
		select {
		case <-begun:
			t.Fatal("a third one runs")
		default:
		}
	}
	_, err := p.Hash(t.Context(), "x")
	e := apperr.List(err)
	require.Len(t, e, 1, "one too many gives %v", err)
	assert.Equal(t, apperr.Unavailable, e[0].Code, "one too many gives %v", err)
	assert.Positive(t, e[0].RetryAfter, "one too many gives %v", err)
	go func() {
		for range begun { // lets the others go on
		}
	}()
	close(finish)
	group.Wait()
	close(begun)
	assert.Equal(t, int32(atOnce), most.Load(), "%d ran at once", most.Load())
}

func TestACancelledCallLeavesTheQueue(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	for range atOnce {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Hash(ctx, "x")
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, p.admitted, "it keeps its place")
}
