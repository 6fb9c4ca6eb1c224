package natsx_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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
		if err := b.PublishResult(t.Context(), result(run)); err != nil {
			t.Fatal(err)
		}
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
		if err := b.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		close(leave)
		var got []string
		count := 0
		receive(t, batches, "the first batch's end")
		for len(got) < len(runs) {
			got = append(got, receive(t, batches, "a batch")...)
			count++
		}
		if !slices.Equal(got, runs) {
			t.Errorf("results came in another order or more than once")
		}
		if count > 5 {
			t.Errorf("300 waiting results came in %d batches", count)
		}
		empty(t, b)
	})
}

func TestConsumeResults_GivesBackWhatFailedAndRefusesWhatIsNoResult(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		if _, err := b.JetStream().Publish(t.Context(), "results.x.done", []byte("not JSON")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.JetStream().Publish(t.Context(), "results.x.done", []byte("{}")); err != nil {
			t.Fatal(err)
		}
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
		if err := b.JetStream().DeleteConsumer(t.Context(), jobspec.StreamResults, jobspec.RecorderConsumer); err != nil {
			t.Fatal(err)
		}
		publish(t, b, "two")
		for !slices.Contains(receive(t, batches, "the result after the consumer's loss"), "two") {
		}
		if err := b.JetStream().DeleteStream(t.Context(), jobspec.StreamResults); err != nil {
			t.Fatal(err)
		}
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
	if err != nil {
		t.Fatal(err)
	}
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
		if err := b.SendResult(started); err != nil {
			t.Fatal(err)
		}
		publish(t, b, "a", "a")
		s, err := b.JetStream().Stream(t.Context(), jobspec.StreamResults)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.CachedInfo().State.Msgs; n != 2 {
			t.Errorf("RESULTS holds %d messages, want started and one result", n)
		}
		for seq, want := range map[uint64]string{1: "results.a.started", 2: "results.a.done"} {
			if m, err := s.GetMsg(t.Context(), seq); err != nil || m.Subject != want || m.Header.Get(nats.MsgIdHdr) == "" {
				t.Errorf("message %d is %v, %v", seq, m, err)
			}
		}
	})
}
