package natsx_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/natsx"
)

func TestEmbedded_KeepsItsMessagesOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() (*natsx.Embedded, *natsx.Bus) {
		e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir})
		require.NoError(t, err)
		b, err := e.Connect(natsx.Options{})
		require.NoError(t, err)
		prepare(t, b)
		return e, b
	}
	e, b := start()
	assert.Empty(t, e.URL(), "a server without a port has the address %q", e.URL())
	require.NoError(t, b.PublishJob(t.Context(), job("a", 1)))
	_, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir})
	assert.Error(t, err, "a second server on the same folder")
	assert.ErrorContains(t, err, "in use", "a second server on the same folder")
	b.Close()
	b.Close()
	e.Close()
	e.Close()
	e, b = start()
	defer e.Close()
	defer b.Close()
	queued, err := b.QueuedRun(t.Context(), subject("a"))
	assert.NoError(t, err, "the job is gone after a restart")
	assert.True(t, queued, "the job is gone after a restart")
}

func TestEmbedded_RunStopsWhenToldAndCanStartAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		cancel()
		assert.NoError(t, receive(t, done, "the server's end"))
		e.Close()
	}
}

func TestEmbedded_ListensOnlyForThoseWithTheToken(t *testing.T) {
	t.Parallel()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "s3cret"})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	inside, err := e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(inside.Close)
	outside, err := natsx.Connect(t.Context(), e.URL(), natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(outside.Close)
	assert.NoError(t, outside.Ready())
	_, err = natsx.Connect(t.Context(), strings.Replace(e.URL(), "s3cret", "guess", 1), natsx.Options{})
	assert.ErrorIs(t, err, nats.ErrAuthorization, "a wrong token")
	assert.NotContains(t, err.Error(), "guess", "a wrong token")
	_, err = natsx.StartEmbedded(natsx.EmbeddedConfig{
		Dir: t.TempDir(), Listen: strings.TrimPrefix(natsx.Redact(e.URL()), "nats://xxxxx@"),
	})
	assert.Error(t, err, "a second server got the same port")
}

func TestConnect_SaysWhatIsWrongWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, err := natsx.Connect(t.Context(), "nats://user:hidden@127.0.0.1:1", natsx.Options{})
	assert.Error(t, err, "the error")
	assert.ErrorContains(t, err, "NATS is not reachable at nats://user:xxxxx@127.0.0.1:1", "the error")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = natsx.Connect(ctx, "nats://127.0.0.1:1", natsx.Options{})
	assert.Error(t, err, "connected with an ended context")
}

func TestRedact_HidesEverySecret(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nats://h:4222":                   "nats://h:4222",
		"nats://u:p@h:4222":               "nats://u:xxxxx@h:4222",
		"nats://token@h:4222":             "nats://xxxxx@h:4222",
		"nats://u:p@a:1, tls://u:p@b:2":   "nats://u:xxxxx@a:1,tls://u:xxxxx@b:2",
		"token@h:4222":                    "xxxxx@h:4222",
		"nats://u:p%zz@h:4222":            "xxxxx@h:4222",
		"wss://u:p@h/path?x=1,nats://h:2": "wss://u:xxxxx@h/path?x=1,nats://h:2",
	} {
		got := natsx.Redact(in)
		assert.Equal(t, want, got, "%s is shown as %s, want %s", in, got, want)
	}
}
