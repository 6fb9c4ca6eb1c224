package sse_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/server/sse"
)

func TestTheOfficialClientInBothModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"distinct", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sse.Config{})
			_, lines := script(t, "client.mjs", b.server.URL, mode,
				"{ hello }", "mutation { bump(by: 2) }", "subscription { count(to: 2) }", "subscription { count(to: 0) }", "{ boom }")
			seen := map[string][]string{}
			for complete := 0; complete < 5; {
				words := strings.SplitN(line(t, lines), " ", 3)
				switch words[0] {
				case "connected":
				case "complete":
					complete++
				case "next":
					seen[words[1]] = append(seen[words[1]], words[2])
				default:
					require.Fail(t, "unexpected", "%q", words)
				}
			}
			require.Equal(t, map[string][]string{
				"0": {`{"data":{"hello":"world"}}`},
				"1": {`{"data":{"bump":2}}`},
				"2": {`{"data":{"count":1}}`, `{"data":{"count":2}}`},
				"4": {`{"data":{"boom":null},"errors":[{"message":"boom","path":["boom"]}]}`},
			}, seen)
		})
	}
}

func TestTheOfficialClientEndsItsOperation(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"distinct", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sse.Config{})
			input, lines := script(t, "client.mjs", b.server.URL, mode, "subscription { idle }", "subscription { feed }")
			for range 2 {
				receive(t, b.started)
			}
			fmt.Fprintln(input, "end 0")
			receive(t, b.ended)
			b.schema.feed <- "on"
			for text := ""; text != `next 1 {"data":{"feed":"on"}}`; text = line(t, lines) {
				require.NotContains(t, text, "failed")
			}
			fmt.Fprintln(input, "end 1")
			receive(t, b.ended)
			require.Equal(t, sse.EndLost, receive(t, b.closed))
		})
	}
}

// The client must come back after each end that is not its own wish, and ask
// again by itself.
func TestTheOfficialClientComesBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"distinct", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sse.Config{})
			_, lines := script(t, "client.mjs", b.server.URL, mode, "subscription { feed }")
			for i := range 4 {
				require.Equal(t, "connected", line(t, lines))
				s := receive(t, b.opened)
				receive(t, b.started)
				b.schema.feed <- fmt.Sprint(i)
				require.Equal(t, fmt.Sprintf(`next 0 {"data":{"feed":"%d"}}`, i), line(t, lines))
				switch i {
				case 0:
					s.Close()
				case 1:
					s.SetExpiry(time.Now())
				case 2:
					b.server.CloseClientConnections()
				}
			}
		})
	}
}

func TestAnEventSourceHearsAllUpToComplete(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Retry: time.Millisecond})
	at := b.server.URL + "?query=" + url.QueryEscape("subscription { events(to: 5) }")
	_, lines := script(t, "eventsource.mjs", at)
	want := 1
	for want <= 5 {
		switch words := strings.SplitN(line(t, lines), " ", 3); words[0] {
		case "open":
		case "next":
			require.Equal(t, fmt.Sprintf(`{"data":{"events":%d}}`, want), words[2])
			require.NotEmpty(t, words[1])
			want++
		default:
			require.Fail(t, "unexpected", "%q", words)
		}
	}
	require.Equal(t, "complete", line(t, lines))
	require.Empty(t, receive(t, b.schema.readers).Last)
}

func TestAnEventSourceGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{Retry: time.Millisecond})
	_, lines := script(t, "eventsource.mjs", b.server.URL+"?query="+url.QueryEscape("subscription { ticks }"))
	last := 0
	for i := range 5 {
		require.Equal(t, "open", line(t, lines))
		s := receive(t, b.opened)
		b.schema.feed <- "tick"
		words := strings.SplitN(line(t, lines), " ", 3)
		require.Equal(t, "next", words[0])
		last++
		require.Equal(t, fmt.Sprintf(`{"data":{"ticks":%d}}`, last), words[2])
		if i == 0 {
			require.Empty(t, receive(t, b.schema.readers).Last)
		} else {
			require.NotEmpty(t, receive(t, b.schema.readers).Last)
		}
		s.Close()
		require.Equal(t, "error  connecting", line(t, lines))
	}
}

func TestAnEventSourceStopsWhereItIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, sse.Config{})
	_, lines := script(t, "eventsource.mjs", b.server.URL+"?query="+url.QueryEscape("{"))
	require.Equal(t, "error 400 closed", line(t, lines))
}
