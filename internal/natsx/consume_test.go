package natsx_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
)

func result(run string) jobspec.Result {
	return jobspec.Result{Run: run, Attempt: 1, Kind: jobspec.KindTranslate, Type: jobspec.ResultDone, Worker: "w", At: time.Now()}
}

func publish(t testing.TB, b *natsx.Bus, runs ...string) {
	t.Helper()
	for _, run := range runs {
		require.NoError(t, b.PublishResult(t.Context(), result(run)))
	}
}

// empty waits until RESULTS holds nothing any more.
func empty(t testing.TB, b *natsx.Bus) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		s, err := b.JetStream().Stream(t.Context(), jobspec.StreamResults)
		if err == nil && s.CachedInfo().State.Msgs == 0 {
			return
		}
	}
	t.Fatal("RESULTS was not emptied")
}

// consume runs ConsumeResults and gives the batches' runs.
func consume(t testing.TB, b *natsx.Bus) <-chan []string {
	batches := make(chan []string, 4096)
	background(t, func(ctx context.Context) error {
		return b.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
			runs := make([]string, len(rs))
			for i, r := range rs {
				runs[i] = r.Run
			}
			batches <- runs
			return nil
		})
	})
	return batches
}

func TestConsumeResults_HandsOverAllThatWaitsInOneBatch(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		var runs []string
		entered, leave := make(chan struct{}), make(chan struct{})
		batches := make(chan []string, 100)
		first := true
		background(t, func(ctx context.Context) error {
			return b.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
				if first {
					first = false
					close(entered)
					<-leave
				}
				var got []string
				for _, r := range rs {
					got = append(got, r.Run)
				}
				batches <- got
				return nil
			})
		})
		publish(t, b, "first")
		receive(t, entered, "the first batch")
		for i := range 300 {
			runs = append(runs, fmt.Sprintf("run%d", i))
		}
		publish(t, b, runs...)
		// The server hands messages out in the order of its requests: when this
		// one is answered, the reader's buffer has what was published before.
		require.NoError(t, b.Conn().Flush())
		close(leave)
		var got []string
		count := 0
		receive(t, batches, "the first batch's end")
		for len(got) < len(runs) {
			got = append(got, receive(t, batches, "a batch")...)
			count++
		}
		assert.Equal(t, runs, got, "results came in another order or more than once")
		assert.LessOrEqual(t, count, 5, "300 waiting results came in %d batches", count)
		empty(t, b)
	})
}

func TestConsumeResults_GivesBackWhatFailedAndRefusesWhatIsNoResult(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		_, err := b.JetStream().Publish(t.Context(), "results.x.done", []byte("not JSON"))
		require.NoError(t, err)
		_, err = b.JetStream().Publish(t.Context(), "results.x.done", []byte("{}"))
		require.NoError(t, err)
		publish(t, b, "good", "bad", "better")
		seen := map[string]int{}
		done := make(chan struct{})
		recorded := 0
		background(t, func(ctx context.Context) error {
			return b.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
				for _, r := range rs {
					seen[r.Run]++
					if r.Run == "bad" && seen["bad"] < 4 {
						return errors.New("the database says no")
					}
				}
				if recorded += len(rs); recorded == 3 {
					close(done)
				}
				return nil
			})
		})
		receive(t, done, "all three results")
		empty(t, b)
	})
}

func TestConsumeResults_SurvivesTheLossOfItsConsumerAndStream(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		batches := consume(t, b)
		publish(t, b, "one")
		receive(t, batches, "the first result")
		require.NoError(t, b.JetStream().DeleteConsumer(t.Context(), jobspec.StreamResults, jobspec.RecorderConsumer))
		publish(t, b, "two")
		for !slices.Contains(receive(t, batches, "the result after the consumer's loss"), "two") {
		}
		require.NoError(t, b.JetStream().DeleteStream(t.Context(), jobspec.StreamResults))
		prepare(t, b)
		publish(t, b, "three")
		receive(t, batches, "the result after the stream's loss")
		empty(t, b)
	})
}

func TestConsumeResults_SurvivesAServerThatIsKilled(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b, err := natsx.Connect(t.Context(), server.URL(), natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	prepare(t, b)
	back := make(chan struct{}, 8)
	t.Cleanup(b.Reconnects(func() { back <- struct{}{} }))
	batches := consume(t, b)
	publish(t, b, "before")
	receive(t, batches, "the result before")
	server.Kill()
	server.Restart()
	receive(t, back, "the connection")
	publish(t, b, "after")
	for !slices.Contains(receive(t, batches, "the result after the restart"), "after") {
	}
}

func TestConsumeResults_SharesBetweenTwoReadersAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		got := make(chan string, 1000)
		reader := func(ctx context.Context) error {
			return b.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
				for _, r := range rs {
					got <- r.Run
				}
				return nil
			})
		}
		stopFirst := background(t, reader)
		background(t, reader)
		for i := range 50 {
			publish(t, b, fmt.Sprintf("a%d", i))
		}
		stopFirst()
		for i := range 50 {
			publish(t, b, fmt.Sprintf("b%d", i))
		}
		seen := map[string]bool{}
		for len(seen) < 100 {
			seen[receive(t, got, "a result")] = true
		}
		empty(t, b)
	})
}

func TestSendResult_KeepsItsPlaceBeforeTheResult(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		started := result("a")
		started.Type = jobspec.ResultStarted
		require.NoError(t, b.SendResult(started))
		publish(t, b, "a", "a")
		s, err := b.JetStream().Stream(t.Context(), jobspec.StreamResults)
		require.NoError(t, err)
		n := s.CachedInfo().State.Msgs
		assert.Equal(t, uint64(2), n, "RESULTS holds %d messages, want started and one result", n)
		for seq, want := range map[uint64]string{1: "results.a.started", 2: "results.a.done"} {
			m, err := s.GetMsg(t.Context(), seq)
			assert.True(t, err == nil && m.Subject == want && m.Header.Get(nats.MsgIdHdr) != "", "message %d is %v, %v", seq, m, err)
		}
	})
}
