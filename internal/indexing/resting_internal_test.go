package indexing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What somebody still edits is not embedded, and looked at again when it is left alone.
func TestWhatIsEditedRests(t *testing.T) {
	t.Parallel()
	one := &tending{changed: map[string]map[string]struct{}{}, resting: map[resting]time.Time{}}
	source := Source{Name: "note", Rest: time.Hour}
	now := time.Now()
	fresh := want{object: "a", item: Item{ID: "a", Edited: now.Add(-time.Minute)}}
	assert.True(t, one.rests(source, fresh))
	assert.False(t, one.rests(source, want{object: "b", item: Item{ID: "b", Edited: now.Add(-2 * time.Hour)}}))
	assert.False(t, one.rests(Source{Name: "sticker"}, fresh), "it need not rest")
	one.wake(now)
	assert.Empty(t, one.changed)
	one.wake(now.Add(time.Hour))
	assert.Contains(t, one.changed["note"], "a")
	assert.Empty(t, one.resting)
	one.rests(source, fresh)
	one.lookAtAll()
	assert.Empty(t, one.resting, "a sweep finds it anyway")
}
