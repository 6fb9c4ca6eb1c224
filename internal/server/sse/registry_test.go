package sse_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/sse"
)

func TestRunDrainsInWavesAndRefusesWhatIsNew(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{DrainSpread: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- b.transport.Run(ctx) }()
	const streams = 20
	var open []*stream
	for range streams {
		open = append(open, b.post(t, "subscription { idle }"))
		receive(t, b.started)
	}
	reserved := b.reserve(t)
	require.Equal(t, streams, b.transport.Len())
	cancel()
	for _, s := range open {
		_, err := s.read() // no complete: clients come back
		require.ErrorIs(t, err, io.EOF)
	}
	require.NoError(t, receive(t, stopped))
	require.Zero(t, b.transport.Len())
	require.Zero(t, b.transport.Reserved())
	for range streams {
		require.Equal(t, sse.EndClosed, receive(t, b.closed))
		require.False(t, receive(t, b.ended).failed)
	}

	resp := send(t, b.server.Client(), http.MethodPost, b.server.URL, request("{ hello }"), header("Accept", events))
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	require.Equal(t, "UNAVAILABLE", code(t, string(raw)))
	status, _ := b.ask(t, http.MethodPut, "", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = b.ask(t, http.MethodGet, "?token="+reserved, "", header("Accept", events))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.ErrorIs(t, b.get(t, "{ hello }").ends(), io.EOF)
}

func TestCloseAllHurriesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.post(t, "subscription { idle }")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.transport.CloseAll(ctx, time.Hour), context.Canceled)
	require.ErrorIs(t, s.ends(), io.EOF)
}

func TestRunWaitsForOperationsThatDoNotReturn(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{DrainSpread: time.Nanosecond})
	s := b.post(t, "subscription { stubborn }")
	receive(t, b.started)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- b.transport.Run(ctx) }()
	require.ErrorIs(t, s.ends(), io.EOF) // the client need not wait
	require.Equal(t, 1, b.transport.Len())
	close(b.schema.release)
	require.NoError(t, receive(t, stopped))
}

func TestRunStopsAgainAndAgain(t *testing.T) {
	t.Parallel()
	for range 20 {
		b := setup(t, sse.Config{DrainSpread: time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- b.transport.Run(ctx) }()
		streams := []*stream{b.post(t, "subscription { idle }"), b.attach(t, b.reserve(t))}
		b.reserve(t)
		cancel()
		for _, s := range streams {
			require.ErrorIs(t, s.ends(), io.EOF)
		}
		require.NoError(t, receive(t, stopped))
	}
}

func TestHandlesEndStreams(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	first, second, third := b.post(t, "subscription { idle }"), b.post(t, "subscription { idle }"), b.post(t, "subscription { feed }")
	handles := []*sse.Stream{receive(t, b.opened), receive(t, b.opened)}
	receive(t, b.opened)
	ids := map[string]bool{}
	b.transport.Each(func(s *sse.Stream) { ids[s.ID()] = true })
	require.Len(t, ids, 3)
	handles[0].Close()
	handles[0].Close()
	require.ErrorIs(t, first.ends(), io.EOF)
	<-handles[0].Context().Done()
	at := time.Now().Add(time.Hour)
	handles[1].SetExpiry(at)
	require.Equal(t, at, handles[1].Expiry())
	handles[1].SetExpiry(time.Now())
	require.ErrorIs(t, second.ends(), io.EOF)
	require.Equal(t, sse.EndClosed, receive(t, b.closed))
	require.Equal(t, sse.EndClosed, receive(t, b.closed))
	handles[1].SetExpiry(time.Now().Add(time.Hour)) // too late
	b.schema.feed <- "on"
	third.expect("next")
}

func TestAStreamThatOpenClosesIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(_ context.Context, s *sse.Stream) (context.Context, error) {
		s.Close()
		return nil, nil
	}})
	status, body := b.ask(t, http.MethodPost, "", request("{ hello }"), header("Accept", events))
	require.Equal(t, http.StatusForbidden, status, "%s", body)
}

func TestAStreamThatHasExpiredEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(_ context.Context, s *sse.Stream) (context.Context, error) {
		s.SetExpiry(time.Now().Add(-time.Hour))
		return nil, nil
	}})
	require.ErrorIs(t, b.post(t, "subscription { idle }").ends(), io.EOF)
	require.Equal(t, sse.EndClosed, receive(t, b.closed))
}
