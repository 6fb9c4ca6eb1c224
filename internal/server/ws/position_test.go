package ws_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/event"
	"parley/internal/resume"
	"parley/internal/server/ws"
	"parley/internal/testkit/dbtest"
)

const (
	first  = "5f0c7c2e-41d4-4ad6-9d0e-0a1b2c3d4e5f"
	second = "6f0c7c2e-41d4-4ad6-9d0e-0a1b2c3d4e5f"
)

// withBook is a server whose log begins where the book says.
func withBook(t *testing.T, cfg ws.Config) *bundle {
	t.Helper()
	s := dbtest.Open(t, dbtest.SQLite(t))
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	if cfg.ConfirmAfter == 0 {
		cfg.ConfirmAfter = time.Millisecond
	}
	cfg.PingInterval = -1
	b := setup(t, cfg)
	b.schema.book = resume.NewBook(s, log, resume.Config{})
	return b
}

func (c *client) subscribeLog(id string) {
	c.send(`{"id":"` + id + `","type":"subscribe","payload":{"query":"subscription { log }"}}`)
}

// begins reads the position behind which the log begins, -1 for the present.
func (c *client) begins(id string) int64 {
	c.t.Helper()
	return c.position(c.expect("next", id))
}

func (c *client) position(f frame) int64 {
	c.t.Helper()
	var p struct{ Data struct{ Log int64 } }
	require.NoError(c.t, json.Unmarshal(f.Payload, &p))
	return p.Data.Log
}

// answer echoes the payload of the next ping, as clients do.
func (c *client) answer() {
	c.t.Helper()
	ping := c.expect("ping", "")
	require.NotNil(c.t, ping.Payload)
	c.send(fmt.Sprintf(`{"type":"pong","payload":%s}`, ping.Payload))
}

// resumes waits until an operation that is sent again begins behind a position:
// what a pong confirms is written down beside the reading, and its client hears
// nothing of it.
func (b *bundle) resumes(t *testing.T, id string, at int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		c := b.ready(t)
		c.subscribeLog(id)
		from := c.begins(id)
		require.NoError(t, c.conn.Close())
		return from == at
	}, patience, 5*time.Millisecond)
}

func TestAnOperationThatIsSentAgainGoesOnBehindWhatAPongConfirmed(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	for _, at := range []int64{3, 7} {
		b.schema.log <- at
		require.Equal(t, at, c.position(c.expect("next", first)))
		c.answer()
	}
	b.schema.log <- 9 // and its ping is never answered
	require.Equal(t, int64(9), c.position(c.expect("next", first)))
	c.expect("ping", "")
	require.NoError(t, c.conn.Close())
	b.resumes(t, first, 7)

	other := b.ready(t)
	other.subscribeLog(second)
	require.Equal(t, int64(-1), other.begins(second), "another operation has a position of its own")
	other.subscribeLog("1")
	require.Equal(t, int64(-1), other.begins("1"))
	b.schema.log <- 11
	b.schema.log <- 12
	require.NoError(t, other.conn.Close())
	third := b.ready(t)
	third.subscribeLog("1")
	require.Equal(t, int64(-1), third.begins("1"), "an id that is no UUID may be anybody's")
}

func TestAnOperationThatConfirmedNothingGoesOnWhereItBegan(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	require.NoError(t, c.conn.Close())
	b.resumes(t, first, 0)
}

func TestAnOperationThatItsClientEndedBeginsAnew(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	b.schema.log <- 3
	c.expect("next", first)
	c.send(`{"id":"` + first + `","type":"complete"}`)
	receive(t, b.ended)
	require.NoError(t, c.conn.Close())
	b.forgets(t, 0)
	again := b.ready(t)
	again.subscribeLog(first)
	require.Equal(t, int64(-1), again.begins(first))
}

func TestPongsThatNobodyAskedForConfirmNothing(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{})
	c := b.ready(t)
	for _, payload := range []string{`{"received":1}`, `{"received":0}`, `{"received":-4}`, `{"received":"1"}`, `null`, `{"received":9223372036854775807}`} {
		c.send(`{"type":"pong","payload":` + payload + `}`)
	}
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	b.schema.log <- 3
	c.expect("next", first)
	c.expect("ping", "")
	for _, payload := range []string{`{"received":2}`, `{"received":5}`} {
		c.send(`{"type":"pong","payload":` + payload + `}`)
	}
	c.send(`{"type":"ping"}`)
	c.expect("pong", "")
	require.NoError(t, c.conn.Close())
	b.resumes(t, first, 0)
}

// A socket that breaks before long gets further each time.
func TestTheFirstMessagesAreConfirmedSoon(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{ConfirmAfter: time.Hour})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	for at := range int64(3) {
		b.schema.log <- at + 5
		c.expect("next", first)
		c.answer()
	}
	require.NoError(t, c.conn.Close())
	b.resumes(t, first, 7)
}

// And so does one that breaks in the middle of a long replay.
func TestManyMessagesAreConfirmedAtOnce(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{ConfirmAfter: time.Hour})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	ws.ConfirmIn(receive(t, b.opened), time.Hour)
	for at := range int64(100) {
		b.schema.log <- at + 5
		c.expect("next", first)
	}
	c.answer()
	require.NoError(t, c.conn.Close())
	b.resumes(t, first, 104)
}

// A server that restarts keeps the positions: its clients come back with the same
// operations.
func TestDrainKeepsThePlaces(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{})
	c := b.ready(t)
	c.subscribeLog(first)
	require.Equal(t, int64(-1), c.begins(first))
	receive(t, b.opened).Close(ws.CloseRestart, "")
	code, _ := c.closes()
	require.Equal(t, ws.CloseRestart, code)
	b.resumes(t, first, 0)
}

// The peer's close frame is answered, and nothing can be written any more, a
// moment before the socket is known to end: a stream that breaks off then is not
// over.
func TestAPeerThatClosesWhileItIsGivenMessagesKeepsItsPlace(t *testing.T) {
	t.Parallel()
	b := withBook(t, ws.Config{ConfirmAfter: time.Hour})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for at := int64(1); ; at++ {
			select {
			case b.schema.log <- at:
			case <-stop:
				return
			}
		}
	}()
	for i := range 300 {
		id := fmt.Sprintf("5f0c7c2e-41d4-4ad6-9d0e-%012d", i)
		c := b.ready(t)
		c.subscribeLog(id)
		c.begins(id)
		closing := websocket.FormatCloseMessage(4408, "ping timeout")
		require.NoError(t, c.conn.WriteControl(websocket.CloseMessage, closing, time.Now().Add(patience)))
		c.closes()
		require.NoError(t, c.conn.Close())
		b.forgets(t, 0)
		again := b.ready(t)
		again.subscribeLog(id)
		require.NotEqual(t, int64(-1), again.begins(id))
		require.NoError(t, again.conn.Close())
		b.forgets(t, 0)
	}
}
