package sse_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/server/sse"
)

func TestOneStreamCarriesManyOperations(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	require.Len(t, token, len("sse_")+43) // 256 bits
	s := b.attach(t, token)
	require.True(t, receive(t, b.opened).Single())
	status, body := b.operate(t, token, "1", "subscription { count(to: 1) }")
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	require.Empty(t, body)
	require.Equal(t, frame{"next", "", `{"id":"1","payload":{"data":{"count":1}}}`}, s.expect("next"))
	require.Equal(t, frame{"complete", "", `{"id":"1"}`}, s.expect("complete"))

	status, _ = b.operate(t, token, "1", "subscription { feed }") // its id is free again
	require.Equal(t, http.StatusAccepted, status)
	status, _ = b.operate(t, token, "é\"<", "mutation { bump(by: 2) }")
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, `{"id":"é\"\u003c","payload":{"data":{"bump":2}}}`, s.expect("next").data)
	s.expect("complete")
	b.schema.feed <- "a"
	require.Equal(t, `{"id":"1","payload":{"data":{"feed":"a"}}}`, s.expect("next").data)
	status, body = b.dismiss(t, token, "1")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, body)
	require.Equal(t, frame{"complete", "", `{"id":"1"}`}, s.expect("complete"))
	for range 3 {
		receive(t, b.ended)
	}
	status, _ = b.operate(t, token, "2", "{ hello }")
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, `{"id":"2","payload":{"data":{"hello":"world"}}}`, s.expect("next").data)
	s.expect("complete")
	require.NoError(t, s.resp.Body.Close())
	require.Equal(t, sse.EndLost, receive(t, b.closed))
	status, body = b.operate(t, token, "3", "{ hello }") // its token ends with the stream
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "NOT_FOUND", code(t, body))
}

func TestTheTokenMayBeInTheURL(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	s := follow(t, send(t, b.server.Client(), "GET", b.server.URL+"?token="+token, "", header("Accept", events)))
	status, _ := b.ask(t, "POST", "?token="+token, `{"query":"{ hello }","extensions":{"operationId":7}}`, nil)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, `{"id":"7","payload":{"data":{"hello":"world"}}}`, s.expect("next").data)
}

func TestOperationsThatComeBeforeTheStreamBeginWithIt(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	for i := range 3 {
		status, _ := b.operate(t, token, fmt.Sprint(i), "{ hello }")
		require.Equal(t, http.StatusAccepted, status)
	}
	status, _ := b.dismiss(t, token, "1")
	require.Equal(t, http.StatusOK, status)
	status, body := b.operate(t, token, "0", "{ hello }")
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "CONFLICT", code(t, body))
	require.Empty(t, b.started)
	s := b.attach(t, token)
	ids := map[string]bool{}
	for completed := 0; completed < 3; {
		f, err := s.read()
		require.NoError(t, err)
		if f.event == "complete" {
			completed++
		} else {
			ids[f.data[:len(`{"id":"0"`)]] = true
		}
	}
	require.Equal(t, map[string]bool{`{"id":"0"`: true, `{"id":"2"`: true}, ids)
}

func TestATokenIsItsViewersAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	const owner = "ann session1"
	for _, stranger := range []string{"", "eve session1", "ann session2", "ann session1 key"} {
		token := b.reserve(t, "Test-User", owner)
		strange := []string{"Test-User", stranger}
		// The stranger learns what one with a token of nobody's learns.
		for _, token := range []string{token, "sse_unknown"} {
			status, body := b.operate(t, token, "1", "{ hello }", strange...)
			require.Equal(t, http.StatusNotFound, status, "%s", body)
			status, body = b.dismiss(t, token, "1", strange...)
			require.Equal(t, http.StatusNotFound, status, "%s", body)
			status, body = b.ask(t, "GET", "?token="+token, "", header(append(strange, "Accept", events)...))
			require.Equal(t, http.StatusNotFound, status, "%s", body)
			status, _ = b.ask(t, "PUT", "?token="+token, "", header(strange...))
			require.Equal(t, http.StatusCreated, status)
		}
		s := b.attach(t, token, "Test-User", owner)
		status, _ := b.operate(t, token, "1", "{ whoami }", "Test-User", stranger)
		require.Equal(t, http.StatusNotFound, status)
		status, _ = b.operate(t, token, "1", "{ whoami }", "Test-User", owner)
		require.Equal(t, http.StatusAccepted, status)
		require.Equal(t, `{"id":"1","payload":{"data":{"whoami":"ann"}}}`, s.expect("next").data)
	}
	anonymous := b.reserve(t)
	status, _ := b.operate(t, anonymous, "1", "{ hello }", "Test-User", owner)
	require.Equal(t, http.StatusNotFound, status)
}

func TestOperationsRunInTheContextOfTheirStream(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(ctx context.Context, s *sse.Stream) (context.Context, error) {
		v, _ := auth.From(ctx)
		return auth.With(ctx, auth.Viewer{ID: v.ID + " of the stream"}), nil
	}})
	token := b.reserve(t, "Test-User", "ann")
	_, _ = b.operate(t, token, "1", "{ whoami }", "Test-User", "ann")
	s := b.attach(t, token, "Test-User", "ann")
	require.Contains(t, s.expect("next").data, "ann of the stream")
	s.expect("complete")
	_, _ = b.operate(t, token, "2", "{ whoami }", "Test-User", "ann")
	require.Contains(t, s.expect("next").data, "ann of the stream")
}

func TestAReservationEndsWithoutItsStream(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Reservation: time.Nanosecond})
	token := b.reserve(t)
	// Whoever reserved hears nothing of the end, which a timer brings.
	require.Eventually(t, func() bool { return b.transport.Reserved() == 0 }, patience, time.Millisecond)
	status, _ := b.ask(t, "GET", "?token="+token, "", header("Accept", events))
	require.Equal(t, http.StatusNotFound, status)
}

func TestReservationsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{MaxReservations: 2})
	first := b.reserve(t)
	b.reserve(t)
	resp := send(t, b.server.Client(), "PUT", b.server.URL, "", nil)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.Equal(t, "30", resp.Header.Get("Retry-After"))
	require.Equal(t, "RATE_LIMITED", code(t, string(body)))
	b.attach(t, first) // is none any more
	b.reserve(t)
	require.Equal(t, 2, b.transport.Reserved())
}

func TestOperationsAndTheirBytesAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{MaxOperations: 2, MaxHeld: 1000})
	token := b.reserve(t)
	s := b.attach(t, token)
	for _, id := range []string{"1", "2"} {
		status, _ := b.operate(t, token, id, "subscription { idle }")
		require.Equal(t, http.StatusAccepted, status)
	}
	status, body := b.operate(t, token, "3", "{ hello }")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, "RATE_LIMITED", code(t, body))
	receive(t, b.refused)
	_, _ = b.dismiss(t, token, "1")
	s.expect("complete")
	status, body = b.operate(t, token, "3", "{ hello #"+strings.Repeat("x", 1000)+"\n}")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, "RATE_LIMITED", code(t, body))
	status, _ = b.operate(t, token, "3", "{ hello }")
	require.Equal(t, http.StatusAccepted, status)
	s.expect("next")
}

func TestAReservationHoldsFewBytes(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	status, body := b.operate(t, token, "1", "{ hello #"+strings.Repeat("x", 300<<10)+"\n}")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, "RATE_LIMITED", code(t, body))
}

func TestOperationsThatDoNotReturnAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{MaxOperations: 1})
	token := b.reserve(t)
	b.attach(t, token)
	for range 2 {
		status, _ := b.operate(t, token, "1", "subscription { stubborn }")
		require.Equal(t, http.StatusAccepted, status)
		receive(t, b.started)
		_, _ = b.dismiss(t, token, "1")
	}
	status, _ := b.operate(t, token, "1", "{ hello }")
	require.Equal(t, http.StatusTooManyRequests, status)
	close(b.schema.release)
}

// Nothing tells what of the stream has arrived, so no position is kept for an
// operation: the client goes on by after or resumeKey.
func TestAnOperationOnASharedStreamHasNoPlaceOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	s := b.attach(t, token)
	status, _ := b.operate(t, token, "mine", "subscription { events(to: 1) }", "Last-Event-ID", "not of this operation")
	require.Equal(t, http.StatusAccepted, status)
	reader := receive(t, b.schema.readers)
	require.Empty(t, reader.Operation)
	require.Empty(t, reader.Last)
	require.NotEmpty(t, s.expect("next").id)
	s.expect("complete")
}

func TestARefusedStreamTakesItsTokenAlong(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(context.Context, *sse.Stream) (context.Context, error) {
		return nil, apperr.New(apperr.Unavailable, "not now")
	}})
	token := b.reserve(t)
	h := header("Accept", events, sse.TokenHeader, token)
	status, _ := b.ask(t, "GET", "", "", h)
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = b.ask(t, "GET", "", "", h)
	require.Equal(t, http.StatusNotFound, status)
	require.Zero(t, b.transport.Reserved())
}

func TestBadIDsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	token := b.reserve(t)
	b.attach(t, token)
	for _, id := range []string{`null`, `""`, `true`, `{}`, `"` + strings.Repeat("x", 257) + `"`} {
		status, body := b.ask(t, "POST", "?token="+token, `{"query":"{ hello }","extensions":{"operationId":`+id+`}}`, nil)
		require.Equal(t, http.StatusBadRequest, status, id)
		require.Equal(t, "BAD_INPUT", code(t, body))
	}
}
