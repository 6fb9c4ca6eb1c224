package graph

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// The resolvers' errors go to slog's default logger. A test that asks what was
// logged has a journal of its own in its context, since others run beside it.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(byContext{}))
	m.Run()
}

type journalKey struct{}

// journal is what was logged under one context.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func withJournal(ctx context.Context) (context.Context, *journal) {
	j := &journal{}
	return context.WithValue(ctx, journalKey{}, j), j
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// byContext hands each record to the journal of its context.
type byContext struct{}

func (byContext) Enabled(context.Context, slog.Level) bool { return true }

func (byContext) Handle(ctx context.Context, r slog.Record) error {
	j, ok := ctx.Value(journalKey{}).(*journal)
	if !ok {
		return nil
	}
	return slog.NewTextHandler(j, nil).Handle(ctx, r)
}

func (h byContext) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h byContext) WithGroup(string) slog.Handler { return h }
