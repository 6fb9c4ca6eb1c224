package natsx_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"parley/internal/natsx"
)

func TestEmbedded_KeepsItsMessagesOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() (*natsx.Embedded, *natsx.Bus) {
		e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Connect(natsx.Options{})
		if err != nil {
			t.Fatal(err)
		}
		prepare(t, b)
		return e, b
	}
	e, b := start()
	if e.URL() != "" {
		t.Errorf("a server without a port has the address %q", e.URL())
	}
	if err := b.PublishJob(t.Context(), job("a", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on the same folder: %v", err)
	}
	b.Close()
	b.Close()
	e.Close()
	e.Close()
	e, b = start()
	defer e.Close()
	defer b.Close()
	if queued, err := b.QueuedRun(t.Context(), subject("a")); !queued || err != nil {
		t.Errorf("the job is gone after a restart: %v", err)
	}
}

func TestEmbedded_RunStopsWhenToldAndCanStartAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		cancel()
		if err := receive(t, done, "the server's end"); err != nil {
			t.Error(err)
		}
		e.Close()
	}
}

func TestEmbedded_ListensOnlyForThoseWithTheToken(t *testing.T) {
	t.Parallel()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	inside, err := e.Connect(natsx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	outside, err := natsx.Connect(t.Context(), e.URL(), natsx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outside.Close)
	if err := outside.Ready(); err != nil {
		t.Error(err)
	}
	_, err = natsx.Connect(t.Context(), strings.Replace(e.URL(), "s3cret", "guess", 1), natsx.Options{})
	if !errors.Is(err, nats.ErrAuthorization) || strings.Contains(err.Error(), "guess") {
		t.Errorf("a wrong token: %v", err)
	}
	if _, err := natsx.StartEmbedded(natsx.EmbeddedConfig{
		Dir: t.TempDir(), Listen: strings.TrimPrefix(natsx.Redact(e.URL()), "nats://xxxxx@"),
	}); err == nil {
		t.Error("a second server got the same port")
	}
}

func TestConnect_SaysWhatIsWrongWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, err := natsx.Connect(t.Context(), "nats://user:hidden@127.0.0.1:1", natsx.Options{})
	if err == nil || !strings.Contains(err.Error(), "NATS is not reachable at nats://user:xxxxx@127.0.0.1:1") {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := natsx.Connect(ctx, "nats://127.0.0.1:1", natsx.Options{}); err == nil {
		t.Error("connected with an ended context")
	}
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
		if got := natsx.Redact(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}
