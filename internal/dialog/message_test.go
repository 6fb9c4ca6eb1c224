package dialog_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/dialog"
	"parley/internal/store"
)

func TestAddMessageChecksItsInput(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "text")
		add := func(in dialog.MessageInput) error {
			in.DialogID = "1"
			_, err := r.AddMessage(key(t, owner), in)
			return err
		}
		refused(t, add(dialog.MessageInput{Text: " "}), apperr.BadInput, "input", "text")
		refused(t, add(dialog.MessageInput{Text: strings.Repeat("x", dialog.MaxText+1)}), apperr.TooLarge, "input", "text")
		refused(t, add(dialog.MessageInput{Text: "\x00"}), apperr.BadInput, "input", "text")
		refused(t, add(dialog.MessageInput{Text: "x", IdempotencyKey: ptr("")}), apperr.BadInput, "input", "idempotencyKey")
		require.NoError(t, add(dialog.MessageInput{Text: strings.Repeat("x", dialog.MaxText)}))
		_, err := r.AddMessage(key(t, owner), dialog.MessageInput{DialogID: "2", Text: "x"})
		refused(t, err, apperr.NotFound)
		r.withdraw(1)
		refused(t, add(dialog.MessageInput{Text: "x"}), apperr.NotFound)
	})
}

func TestARepeatedMessageIsThereOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.push(1, "text")
		r.push(2, "text")
		in := dialog.MessageInput{DialogID: "1", Text: "hello", IdempotencyKey: ptr("k")}
		got := make([]*dialog.Message, 10)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				var err error
				got[i], err = r.AddMessage(key(t, owner), in)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for _, m := range got {
			require.Equal(t, got[0], m)
		}
		other := in
		other.Text = "other"
		_, err := r.AddMessage(key(t, owner), other)
		refused(t, err, apperr.IdempotencyMismatch)
		other.DialogID = "2"
		_, err = r.AddMessage(key(t, owner), other)
		require.NoError(t, err, "a key belongs to one dialog")
		messages, err := r.Messages(key(t, owner), []string{d.ID})
		require.NoError(t, err)
		require.Equal(t, []*dialog.Message{got[0]}, messages[d.ID])
	})
}

func TestTheKeyOfAMessageIsKept24Hours(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "text")
		in := dialog.MessageInput{DialogID: "1", Text: "hello", IdempotencyKey: ptr("k")}
		first, err := r.AddMessage(key(t, owner), in)
		require.NoError(t, err)
		r.exec("UPDATE idempotency_keys SET created_at = ?", store.Now().Add(-24*time.Hour-time.Minute))
		in.Text = "other"
		next, err := r.AddMessage(key(t, owner), in)
		require.NoError(t, err)
		require.NotEqual(t, first.ID, next.ID)
		again, err := r.AddMessage(key(t, owner), in)
		require.NoError(t, err)
		require.Equal(t, next, again)
	})
}

// Messages of one transaction have the answers that they would have alone.
func TestRepeatedMessagesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "text")
		r.push(2, "text")
		for range dialog.MaxMessages - 1 {
			r.say(2, "x")
		}
		var all sync.WaitGroup
		var last, full atomic.Int64
		for i := range 60 {
			all.Go(func() {
				in := dialog.MessageInput{DialogID: "1", Text: "message " + dec(i%3), IdempotencyKey: ptr(dec(i % 3))}
				_, err := r.AddMessage(key(t, owner), in)
				assert.NoError(t, err)
				in.Text, in.IdempotencyKey = "another", ptr("other "+dec(i%2))
				if i%2 == 0 {
					in.Text = "yet another"
				}
				_, err = r.AddMessage(key(t, owner), in)
				assert.NoError(t, err)
				// There is room for one: its key gives it to half of the calls.
				in.DialogID = "2"
				switch _, err := r.AddMessage(key(t, owner), in); {
				case err == nil:
					last.Add(1)
				case apperr.Is(err, apperr.TooLarge):
					full.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, int64(30), last.Load())
		require.Equal(t, int64(30), full.Load())
		require.Equal(t, 3+2+dialog.MaxMessages, r.count("dialog_messages"))
		require.Equal(t, 3+2+1, r.count("idempotency_keys"), "a message that is refused leaves no key")
	})
}

func TestADialogHasAtMostSoManyMessages(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.push(1, "text")
		const tries = dialog.MaxMessages + 50
		var mu sync.Mutex
		refusals := 0
		var all sync.WaitGroup
		work := make(chan int, tries)
		for i := range tries {
			work <- i
		}
		close(work)
		for range 16 {
			all.Go(func() {
				for i := range work {
					_, err := r.AddMessage(key(t, owner), dialog.MessageInput{DialogID: "1", Text: "message " + dec(i)})
					if err != nil {
						mu.Lock()
						refusals++
						mu.Unlock()
						assert.True(t, apperr.Is(err, apperr.TooLarge), "%v", err)
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, 50, refusals)
		messages, err := r.Messages(key(t, owner), []string{d.ID})
		require.NoError(t, err)
		require.Len(t, messages[d.ID], dialog.MaxMessages)
		require.Equal(t, 0, r.Waiting())
	})
}

// Messages of a dialog that is being erased are erased with it or refused.
func TestMessagesAgainstAWithdrawal(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for n := range int64(30) {
			r.push(n, "text")
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					_, err := r.AddMessage(key(t, owner), dialog.MessageInput{DialogID: dec(n), Text: "more"})
					assert.False(t, err != nil && !apperr.Is(err, apperr.NotFound), "%v", err)
				})
			}
			all.Go(func() {
				_, err := r.consent(n, false)
				assert.NoError(t, err)
			})
			all.Wait()
			require.Zero(t, r.count("dialogs"))
			require.Zero(t, r.count("dialog_messages"))
		}
	})
}

func TestMessagesAreReadUpToALimit(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.approved(1, "text")
		for range dialog.MaxSaid / dialog.MaxText {
			r.say(1, strings.Repeat("x", dialog.MaxText))
		}
		_, err := r.Messages(analyst(t), []string{d.ID})
		require.NoError(t, err)
		r.say(1, "one more")
		_, err = r.Messages(analyst(t), []string{d.ID})
		refused(t, err, apperr.TooLarge)
	})
}
