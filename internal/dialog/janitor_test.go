package dialog_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/dialog"
	"parley/internal/testkit/dbtest"
)

func TestTheJanitorStopsWhenToldTo(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for range 3 {
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- r.Run(ctx) }()
			stop()
			require.NoError(t, <-ended)
		}
	})
}

func TestTheJanitorWorksAfterErasures(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	r := newRoom(t, dbtest.Open(t, url), dialog.Config{})
	rounds := make(chan error)
	r.OnForgot(func(err error) { rounds <- err })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	r.push(1, marked(1, 3000, "text"))
	r.withdraw(1)
	require.NoError(t, <-rounds)
	for _, file := range []string{"", "-wal"} {
		data, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + file)
		require.NoError(t, err)
		require.NotContains(t, string(data), marker(1, "text"))
	}
	r.push(2, "text")
	r.withdraw(2)
	require.NoError(t, <-rounds)
	stop()
	require.NoError(t, <-ended)

	// The next process finds nothing to do, unless something was erased since.
	r.push(3, "text")
	r.withdraw(3)
	next := newRoom(t, r.store, dialog.Config{})
	next.OnForgot(func(err error) { rounds <- err })
	ctx, stop = context.WithCancel(t.Context())
	go func() { ended <- next.Run(ctx) }()
	require.NoError(t, <-rounds)
	stop()
	require.NoError(t, <-ended)
}
