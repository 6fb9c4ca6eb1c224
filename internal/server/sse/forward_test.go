package sse_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/natsx"
	"parley/internal/server/sse"
	"parley/internal/testkit"
)

// replicas gives transports on one NATS that know nothing else of each other.
func replicas(t *testing.T, address string, n int, cfg sse.Config) []*bundle {
	t.Helper()
	var all []*bundle
	for range n {
		bus, err := natsx.Connect(t.Context(), address, natsx.Options{})
		require.NoError(t, err)
		t.Cleanup(bus.Close)
		cfg.Bus = bus
		b := setup(t, cfg)
		ctx, cancel := context.WithCancel(context.Background())
		stopped := make(chan error, 1)
		go func() { stopped <- b.transport.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, receive(t, stopped))
		})
		all = append(all, b)
	}
	return all
}

func TestAnyProcessTakesTheRequestsOfATokenWhereverItIs(t *testing.T) {
	t.Parallel()
	all := replicas(t, testkit.NATS(t).URL(), 3, sse.Config{})
	user := []string{"Test-User", "ann session"}
	reserved, other, third := all[0], all[1], all[2]
	token := reserved.reserve(t, user...)
	// Operations wait where the token is, and move with it.
	status, body := third.operate(t, token, "early", "query Q { whoami }", user...)
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	status, _ = other.operate(t, token, "dropped", "{ whoami }", user...)
	require.Equal(t, http.StatusAccepted, status)
	status, _ = third.dismiss(t, token, "dropped", user...)
	require.Equal(t, http.StatusOK, status)
	s := other.attach(t, token, user...)
	require.Equal(t, `{"id":"early","payload":{"data":{"whoami":"ann"}}}`, s.expect("next").data)
	s.expect("complete")
	require.Zero(t, reserved.transport.Reserved())
	require.Equal(t, 1, other.transport.Len())

	for i, b := range all {
		id := fmt.Sprint(i)
		status, body = b.operate(t, token, id, "subscription { idle }", user...)
		require.Equal(t, http.StatusAccepted, status, "%s", body)
		receive(t, other.started)
		status, body = all[(i+1)%3].operate(t, token, id, "{ hello }", user...)
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, "CONFLICT", code(t, body))
		status, body = all[(i+1)%3].operate(t, token, "wrong", "{ nope }", user...)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, "GRAPHQL_VALIDATION_FAILED", code(t, body))
		status, _ = all[(i+2)%3].dismiss(t, token, id, user...)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, `{"id":"`+id+`"}`, s.expect("complete").data)
		status, _ = b.ask(t, http.MethodGet, "?token="+token, "", header("Accept", events, "Test-User", user[1]))
		require.Equal(t, http.StatusConflict, status)
		for _, stranger := range []string{"", "eve session", "ann other"} {
			status, body = b.operate(t, token, "1", "{ whoami }", "Test-User", stranger)
			require.Equal(t, http.StatusNotFound, status)
			require.Equal(t, "NOT_FOUND", code(t, body))
			status, _ = b.ask(t, http.MethodGet, "?token="+token, "", header("Accept", events, "Test-User", stranger))
			require.Equal(t, http.StatusNotFound, status)
		}
	}
	require.NoError(t, s.resp.Body.Close())
	receive(t, other.closed)
	require.Eventually(t, func() bool { // NATS may not have heard yet, and tells nobody when it has
		status, _ = third.operate(t, token, "1", "{ hello }", user...)
		return status == http.StatusNotFound
	}, patience, time.Millisecond)
}

func TestNumbersKeepTheirDigitsOnTheirWay(t *testing.T) {
	t.Parallel()
	all := replicas(t, testkit.NATS(t).URL(), 2, sse.Config{})
	token := all[0].reserve(t)
	body := `{"query":"mutation M($by: Int!) { bump(by: $by) }","variables":{"by":9007199254740993},"extensions":{"operationId":"1"}}`
	h := header(sse.TokenHeader, token)
	status, _ := all[1].ask(t, http.MethodPost, "", body, h)
	require.Equal(t, http.StatusAccepted, status)
	s := all[1].attach(t, token)
	require.Contains(t, s.expect("next").data, "9007199254740993")
	s.expect("complete")
	status, _ = all[0].ask(t, http.MethodPost, "", body, h)
	require.Equal(t, http.StatusAccepted, status)
	require.Contains(t, s.expect("next").data, "9007199254740993")
}

func TestWithoutNATSATokenWorksInItsProcess(t *testing.T) {
	t.Parallel()
	nats := testkit.NATS(t)
	all := replicas(t, nats.URL(), 2, sse.Config{ForwardTimeout: 200 * time.Millisecond})
	token := all[0].reserve(t)
	s := all[0].attach(t, token)
	nats.Kill()
	status, body := all[1].operate(t, token, "1", "{ hello }")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "UNAVAILABLE", code(t, body))
	status, _ = all[0].operate(t, token, "1", "{ hello }")
	require.Equal(t, http.StatusAccepted, status)
	s.expect("next")
	s.expect("complete")
	meanwhile := all[0].reserve(t)
	nats.Restart()
	tries := 0
	// Two processes find each other when both are connected again, in their own time.
	require.Eventually(t, func() bool {
		tries++
		status, _ := all[1].operate(t, meanwhile, fmt.Sprint(tries), "{ hello }")
		return status == http.StatusAccepted
	}, patience, 10*time.Millisecond)
}

func TestARestartEndsTheTokensOfAProcess(t *testing.T) {
	t.Parallel()
	url := testkit.NATS(t).URL()
	all := replicas(t, url, 2, sse.Config{})
	token := all[0].reserve(t)
	s := all[0].attach(t, token)
	require.NoError(t, all[0].transport.CloseAll(t.Context(), 0))
	require.ErrorIs(t, s.ends(), io.EOF)
	require.Eventually(t, func() bool { // NATS may not have heard yet, and tells nobody when it has
		status, _ := all[1].operate(t, token, "1", "{ hello }")
		return status == http.StatusNotFound
	}, patience, time.Millisecond)
}

func TestARequestTooLongForNATSIsRefused(t *testing.T) {
	t.Parallel()
	all := replicas(t, testkit.NATS(t).URL(), 2, sse.Config{MaxBody: 8 << 20})
	token := all[0].reserve(t)
	all[0].attach(t, token)
	status, body := all[1].operate(t, token, "1", "{ hello #"+string(make([]byte, 2<<20))+"\n}")
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	require.Equal(t, "TOO_LARGE", code(t, body))
}

func TestOddMessagesOfOtherProcessesAreAnswered(t *testing.T) {
	t.Parallel()
	address := testkit.NATS(t).URL()
	all := replicas(t, address, 1, sse.Config{})
	token := all[0].reserve(t)
	bus, err := natsx.Connect(t.Context(), address, natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(bus.Close)
	for _, raw := range []string{``, `null`, `{`, `{"do":"execute"}`, `{"do":"execute","params":null}`, `{"do":"what"}`, "\xff"} {
		m, err := bus.Conn().Request(sse.Subject(token), []byte(raw), patience)
		require.NoError(t, err)
		require.Contains(t, string(m.Data), `"status":500`)
	}
	all[0].attach(t, token)
}
