package ws_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

func TestQueriesMutationsAndSubscriptionsEndWithComplete(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.subscribe("q", "{ hello nothing }", "")
	require.JSONEq(t, `{"data":{"hello":"world","nothing":null}}`, string(c.expect("next", "q").Payload))
	c.expect("complete", "q")
	require.Equal(t, "query", receive(t, b.started))
	require.Equal(t, ended{"query", false}, receive(t, b.ended))

	c.subscribe(`m"\<é`, "mutation Bump($by: Int!) { bump(by: $by) }", `{"by": 7}`)
	require.JSONEq(t, `{"data":{"bump":7}}`, string(c.expect("next", `m"\<é`).Payload))
	c.expect("complete", `m"\<é`)

	c.subscribe("s", "subscription { count(to: 3) }", "")
	for i := 1; i <= 3; i++ {
		require.JSONEq(t, fmt.Sprintf(`{"data":{"count":%d}}`, i), string(c.expect("next", "s").Payload))
	}
	c.expect("complete", "s")
	c.subscribe("s", "subscription { count(to: 0) }", "") // the id is free again
	c.expect("complete", "s")
	c.silent()
}

func TestFieldErrorsComeWithTheResult(t *testing.T) {
	t.Parallel()
	c := setup(t, ws.Config{}).ready(t)
	c.subscribe("1", "{ boom }", "")
	require.JSONEq(t, `{"errors":[{"message":"boom","path":["boom"]}],"data":{"boom":null}}`, string(c.expect("next", "1").Payload))
	c.expect("complete", "1")
	c.subscribe("2", "subscription { refused }", "")
	require.JSONEq(t, `{"errors":[{"message":"refused"}]}`, string(c.expect("next", "2").Payload))
	c.expect("complete", "2")
	c.subscribe("3", "{ strange }", "")
	require.JSONEq(t, `{"data":{"strange":"a\ufffdb"}}`, string(c.expect("next", "3").Payload))
	c.expect("complete", "3")
}

func TestWhatIsInvalidEndsWithErrorOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	for _, query := range []string{"{ nope }", "{", "", "query A { hello } query B { hello }", "query ($by: Int!) { hello }", "{ panics }"} {
		c.subscribe("1", query, "")
		var errs []map[string]any
		require.NoError(t, json.Unmarshal(c.expect("error", "1").Payload, &errs), query)
		require.NotEmpty(t, errs)
		c.silent()
	}
	for range 5 {
		receive(t, b.refused)
	}
	require.Equal(t, ended{"query", true}, receive(t, b.ended))
}

func TestAStreamThatFailsEndsWithError(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.subscribe("1", "subscription { breaks(after: 1) }", "")
	c.expect("next", "1")
	require.JSONEq(t, `[{"message":"broken"}]`, string(c.expect("error", "1").Payload))
	require.Equal(t, ended{"subscription", true}, receive(t, b.ended))
	c.silent()
}

func TestDuplicateIDClosesWith4409(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	long := strings.Repeat("é", 80)
	c.subscribe(long, "subscription { idle }", "")
	c.subscribe(long, "{ hello }", "")
	code, reason := c.closes()
	require.Equal(t, ws.CloseDuplicateID, code)
	require.Equal(t, "Subscriber for "+strings.Repeat("é", 54), reason)

	c = b.ready(t)
	c.subscribe("a", "subscription { idle }", "")
	c.subscribe("a", "{ hello }", "")
	_, reason = c.closes()
	require.Equal(t, "Subscriber for a already exists", reason)
}

func TestClientsCompleteIsNotAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.ready(t)
	c.send(`{"type":"complete","id":"unknown"}`)
	c.subscribe("1", "subscription { idle }", "")
	receive(t, b.started)
	c.send(`{"type":"complete","id":"1"}`)
	receive(t, b.ended)
	c.silent()
	// The id is free at once, whether or not the old operation has returned.
	c.subscribe("1", "subscription { stubborn }", "")
	receive(t, b.started)
	receive(t, b.schema.entered)
	c.send(`{"type":"complete","id":"1"}`)
	c.subscribe("1", "subscription { feed }", "")
	b.schema.feed <- "new"
	require.JSONEq(t, `{"data":{"feed":"new"}}`, string(c.expect("next", "1").Payload))
	close(b.schema.release)
	receive(t, b.ended)
	c.silent()
	close(b.schema.feed)
	c.expect("complete", "1")
}

func TestLimitsEndOneOperationAndNotTheSocket(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{MaxOperations: 2})
	c := b.ready(t)
	refused := func(id string) {
		t.Helper()
		c.subscribe(id, "{ hello }", "")
		require.JSONEq(t, `[{"message":"Too many operations on one socket.","extensions":{"code":"RATE_LIMITED"}}]`,
			string(c.expect("error", id).Payload))
		receive(t, b.refused)
	}
	// What the client has ended counts no more, but for what does not return.
	for _, id := range []string{"a", "b", "c", "d"} {
		c.subscribe(id, "subscription { stubborn }", "")
		receive(t, b.started)
		receive(t, b.schema.entered) // what is ended before its resolver was called returns at once, and counts no more
		if id == "b" {
			refused("e")
			c.send(`{"type":"complete","id":"a"}`)
			c.send(`{"type":"complete","id":"b"}`)
		}
	}
	c.send(`{"type":"complete","id":"c"}`)
	refused("f")
	close(b.schema.release)
	for range 4 {
		receive(t, b.ended)
	}
	c.expect("complete", "d")
	c.subscribe("e", "{ hello }", "")
	c.expect("next", "e")
}

func TestLiveOperationsMayHoldOnlySoManyBytes(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{MaxHeld: 1000})
	c := b.ready(t)
	padding := " #" + strings.Repeat("x", 600)
	c.subscribe("1", "subscription { idle }"+padding, "")
	receive(t, b.started)
	c.subscribe("2", "{ hello }"+padding, "")
	c.expect("error", "2")
	c.subscribe("3", "{ hello }", "")
	c.expect("next", "3")
	c.expect("complete", "3")
	c.send(`{"type":"complete","id":"1"}`)
	c.subscribe("2", "{ hello }"+padding, "")
	c.expect("next", "2")
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	c := setup(t, ws.Config{}).ready(t)
	c.subscribe("1", "mutation ($by: Int!) { bump(by: $by) }", `{"by": 2147483647}`)
	require.JSONEq(t, `{"data":{"bump":2147483647}}`, string(c.expect("next", "1").Payload))
}

func TestManySocketsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	var group sync.WaitGroup
	for range 20 {
		c := b.ready(t)
		group.Go(func() {
			for i := range 20 {
				c.subscribe(fmt.Sprint(i), "subscription { count(to: 20) }", "")
			}
			seen := map[string]int{}
			for done := 0; done < 20; {
				f, err := c.read()
				if err != nil {
					t.Error(err)
					return
				}
				if f.Type == "complete" {
					done++
					assert.Equal(t, 20, seen[f.ID], "operation %s completed after %d", f.ID, seen[f.ID])
				}
				if f.Type == "next" {
					seen[f.ID]++
				}
			}
		})
	}
	group.Wait()
}
