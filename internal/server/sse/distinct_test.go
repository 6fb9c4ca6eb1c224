package sse_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/server/sse"
)

func TestAnOperationIsAnsweredByAStreamOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	for name, open := range map[string]func(testing.TB, string, ...string) *stream{"POST": b.post, "GET": b.get} {
		s := open(t, "subscription { count(to: 2) }")
		h := s.resp.Header
		require.Equal(t, "text/event-stream; charset=utf-8", h.Get("Content-Type"), name)
		require.Equal(t, "no-store, no-transform", h.Get("Cache-Control"))
		require.Equal(t, "no", h.Get("X-Accel-Buffering"))
		require.Equal(t, frame{"next", "", `{"data":{"count":1}}`}, s.expect("next"))
		require.Equal(t, frame{"next", "", `{"data":{"count":2}}`}, s.expect("next"))
		require.Equal(t, frame{"complete", "", ""}, s.expect("complete"))
		require.ErrorIs(t, s.ends(), io.EOF)
		require.Equal(t, 1, s.comments)
		retry, err := strconv.Atoi(s.retry)
		require.NoError(t, err)
		require.True(t, retry >= 1000 && retry < 3000, "%d", retry)

		s = open(t, "{ hello boom }")
		require.JSONEq(t, `{"data":{"hello":"world","boom":null},"errors":[{"message":"boom","path":["boom"]}]}`, s.expect("next").data)
		s.expect("complete")
		require.ErrorIs(t, s.ends(), io.EOF)
		for range 2 {
			receive(t, b.opened)
			require.Equal(t, sse.EndComplete, receive(t, b.closed))
			receive(t, b.started)
			receive(t, b.ended)
		}
	}
	s := b.post(t, "mutation { bump(by: 3) }")
	require.Equal(t, `{"data":{"bump":3}}`, s.expect("next").data)
	s.expect("complete")
}

func TestStreamsWorkOverHTTP2(t *testing.T) {
	t.Parallel()
	b := setupOn(t, sse.Config{Heartbeat: time.Millisecond}, serveHTTP2)
	s := b.post(t, "subscription { feed }")
	require.Equal(t, 2, s.resp.ProtoMajor)
	for range 3 {
		b.schema.feed <- "a"
		require.Equal(t, `{"data":{"feed":"a"}}`, s.expect("next").data)
	}
	close(b.schema.feed)
	s.expect("complete")
	require.ErrorIs(t, s.ends(), io.EOF)
}

func serveHTTP2(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	return server
}

func TestASilentStreamHasHeartbeats(t *testing.T) {
	t.Parallel()
	for _, serve := range []func(http.Handler) *httptest.Server{httptest.NewServer, serveHTTP2} {
		b := setupOn(t, sse.Config{Heartbeat: time.Millisecond, WriteTimeout: 200 * time.Millisecond}, serve)
		s := b.post(t, "subscription { feed }")
		for range 400 { // longer than one write may take
			line, err := s.lines.ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, []string{"retry", "", "\n"}, strings.Split(line, ":")[0])
		}
		b.schema.feed <- "still here"
		require.Equal(t, `{"data":{"feed":"still here"}}`, s.expect("next").data)
	}
}

func TestTheViewerIsThatOfTheRequest(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.post(t, "{ whoami }", "Test-User", "ann")
	require.Equal(t, `{"data":{"whoami":"ann"}}`, s.expect("next").data)
}

func TestAPanicIsAnErrorOfItsOperation(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.post(t, "{ panics }")
	require.JSONEq(t, `{"errors":[{"message":"recovered"}]}`, s.expect("next").data)
	s.expect("complete")
	require.Equal(t, ended{"query", true}, receive(t, b.ended))
}

func TestAnEventIsOneLineOfUTF8(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	require.Equal(t, `{"data":{`+" \u0020"+"\t"+`"pretty": "a" }}`, b.post(t, "{ pretty }").expect("next").data)
	require.Equal(t, "{\"data\":{\"strange\":\"a\uFFFDb\"}}", b.post(t, "{ strange }").expect("next").data)
}

func TestAStreamThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.post(t, "subscription { breaks(after: 1) }")
	s.expect("next")
	require.JSONEq(t, `{"errors":[{"message":"broken"}]}`, s.expect("next").data)
	s.expect("complete")
}

func TestTheClientEndsAStreamByGoing(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.post(t, "subscription { idle }")
	receive(t, b.started)
	require.NoError(t, s.resp.Body.Close())
	receive(t, b.ended)
	require.Equal(t, sse.EndLost, receive(t, b.closed))
}

func TestResponsesCarryTheirPlacesAndLastEventIDResumes(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	s := b.get(t, "subscription { events(to: 3) }")
	receive(t, b.schema.readers)
	s.expect("next")
	second := s.expect("next")
	require.NotEmpty(t, second.id)
	s = b.get(t, "subscription { events(to: 4) }", "Last-Event-ID", second.id)
	require.Equal(t, second.id, receive(t, b.schema.readers).Last)
	third := s.expect("next")
	require.Equal(t, `{"data":{"events":3}}`, third.data)
	require.NotEqual(t, second.id, third.id)
	require.Equal(t, `{"data":{"events":4}}`, s.expect("next").data)
	require.Empty(t, s.expect("complete").id)
}

func TestOpenLetsIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{apperr.New(apperr.Unauthenticated, "no"), 401, "UNAUTHENTICATED"},
		{apperr.New(apperr.Forbidden, "no"), 403, "FORBIDDEN"},
		{apperr.Limited(time.Minute, "no"), 429, "RATE_LIMITED"},
		{apperr.New(apperr.Unavailable, "no"), 503, "UNAVAILABLE"},
		{errors.New("secret words"), 503, "UNAVAILABLE"},
	} {
		b := setup(t, sse.Config{Open: func(context.Context, *sse.Stream) (context.Context, error) { return nil, c.err }})
		status, body := b.ask(t, http.MethodPost, "", `{"query":"{ hello }"}`, header("Accept", events))
		require.Equal(t, c.status, status)
		require.Equal(t, c.code, code(t, body))
		require.NotContains(t, body, "secret")
		require.Empty(t, b.opened)
	}
	b := setup(t, sse.Config{Open: func(ctx context.Context, s *sse.Stream) (context.Context, error) {
		if s.Header().Get("Test-User") != "ann" || s.RemoteAddr() == "" || s.Single() {
			return nil, errors.New("not the stream")
		}
		return auth.With(context.WithoutCancel(ctx), auth.Viewer{ID: "eve"}), nil // not ended by the stream
	}})
	s := b.post(t, "{ whoami }", "Test-User", "ann")
	require.Equal(t, `{"data":{"whoami":"eve"}}`, s.expect("next").data)
	s = b.post(t, "subscription { idle }", "Test-User", "ann")
	require.NoError(t, s.resp.Body.Close())
	for range 2 {
		receive(t, b.ended)
	}
}

func TestAPanicOfOpenIsAnInternalError(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(context.Context, *sse.Stream) (context.Context, error) { panic("on purpose") }})
	status, body := b.ask(t, http.MethodPost, "", `{"query":"{ hello }"}`, header("Accept", events))
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "INTERNAL", code(t, body))
}

func TestAnEventSourceIsToldToComeBackWhereOthersGet503(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(context.Context, *sse.Stream) (context.Context, error) {
		return nil, apperr.New(apperr.Unavailable, "not now")
	}})
	s := b.get(t, "{ hello }")
	require.ErrorIs(t, s.ends(), io.EOF)
	require.NotEmpty(t, s.retry)
}

func TestBadRequestsAreRefusedWithCodes(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{MaxBody: 1000})
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
		status             int
		code               string
	}{
		"no JSON":          {"POST", "", `{`, nil, 400, "BAD_INPUT"},
		"two values":       {"POST", "", `{"query":"{ hello }"}{}`, nil, 400, "BAD_INPUT"},
		"too long":         {"POST", "", `{"query":"{ hello }","x":"` + strings.Repeat("x", 1000) + `"}`, nil, 413, "TOO_LARGE"},
		"no JSON type":     {"POST", "", `{"query":"{ hello }"}`, header("Content-Type", "text/plain"), 415, "BAD_INPUT"},
		"a syntax error":   {"POST", "", `{"query":"{"}`, nil, 400, "GRAPHQL_PARSE_FAILED"},
		"mutation by GET":  {"GET", "?query=" + url.QueryEscape("mutation { bump(by: 1) }"), "", nil, 405, "BAD_INPUT"},
		"broken URL":       {"GET", "?query=%zz", "", nil, 400, "BAD_INPUT"},
		"broken variables": {"GET", "?query={hello}&variables={", "", nil, 400, "BAD_INPUT"},
	} {
		h := header("Accept", events)
		for name, values := range c.header {
			h[name] = values
		}
		status, body := b.ask(t, c.method, c.path, c.body, h)
		require.Equal(t, c.status, status, name)
		require.Equal(t, c.code, code(t, body), name)
	}
	require.Empty(t, b.opened)
	s := b.post(t, "{ nope }")
	require.Contains(t, s.expect("next").data, "GRAPHQL_VALIDATION_FAILED")
	s.expect("complete")
	status, body := b.ask(t, "GET", "?query=%7Becho(text:%22%ff%22)%7D", "", header("Accept", events))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "{\"echo\":\"\uFFFD\"}")
}

func TestStreamsAreOnlyForThoseWhoPreferThem(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	for accept, want := range map[string]bool{
		"":                                    false,
		"*/*":                                 false,
		"text/event-stream":                   true,
		"TEXT/Event-Stream; charset=utf-8":    true,
		"text/event-stream, multipart/mixed":  true,
		"text/html, text/event-stream, */*":   true,
		"application/json, text/event-stream": false,
		"text/event-stream;q=0.5, application/json": false,
		"application/json;q=0.5, text/event-stream": true,
		"text/event-stream;q=0":                     false,
		"text/event-stream;q=x":                     false,
		"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Accept", accept)
		require.Equal(t, want, b.transport.Supports(r), "%s", accept)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", events)
	r.Header.Set("Upgrade", "websocket")
	require.False(t, b.transport.Supports(r))
	require.False(t, b.transport.Supports(httptest.NewRequest(http.MethodPatch, "/?token=x", nil)))
	require.True(t, b.transport.Supports(httptest.NewRequest(http.MethodPost, "/?token=x", nil)))
}

func TestAQueryWhoseTimeIsUpSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Open: func(context.Context, *sse.Stream) (context.Context, error) { return nil, nil }})
	s := b.post(t, "{ slow }", "Test-Deadline", "1ms")
	require.Contains(t, s.expect("next").data, "deadline")
	s.expect("complete")
}
