package note_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/note"
)

func (r *room) notes() int {
	r.t.Helper()
	n, err := r.store.Client(r.t.Context()).Note.Query().Count(asAdmin(r.t))
	require.NoError(r.t, err)
	return n
}

// atOnce makes a call that may be repeated eight times at the same time and gives
// its one note.
func (r *room) atOnce(call func(ctx context.Context) (*note.Written, error)) *note.Written {
	r.t.Helper()
	before := r.notes()
	written := make([]*note.Written, 8)
	var all sync.WaitGroup
	for i := range written {
		all.Go(func() {
			var err error
			written[i], err = call(as(r.t, owner))
			assert.NoError(r.t, err)
		})
	}
	all.Wait()
	for _, w := range written {
		require.NotNil(r.t, w)
		require.Equal(r.t, written[0].Note.ID, w.Note.ID)
		require.Equal(r.t, written[0].Cursor, w.Cursor)
	}
	require.Equal(r.t, before+1, r.notes())
	return written[0]
}

// A client that loses its connection sends its mutation again, not knowing that
// it was done: there were two notes then.
func TestARepeatedCreateNoteMakesOneNote(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.english("before")
		in := note.CreateNoteInput{Title: "T", Text: "The text.", IdempotencyKey: ptr("k")}
		first := r.atOnce(func(ctx context.Context) (*note.Written, error) { return r.Create(ctx, in) })

		edited := r.edit(first.Note, note.UpdateNoteInput{Title: ptr("edited")})
		again, err := r.Create(as(t, owner), in)
		require.NoError(t, err)
		require.Equal(t, edited.Version, again.Note.Version, "the note as it is now")
		require.Equal(t, first.Cursor, again.Cursor)

		for _, other := range []note.CreateNoteInput{
			{Title: "other", Text: in.Text}, {Title: in.Title, Text: "other"}, {Title: in.Title, Text: in.Text, Language: ptr("en")},
			{Title: in.Title, Text: in.Text, Format: ptr(note.FormatHTML)},
		} {
			other.IdempotencyKey = in.IdempotencyKey
			_, err := r.Create(as(t, owner), other)
			refused(t, err, apperr.IdempotencyMismatch)
		}
		in.Format = ptr(note.FormatText)
		same, err := r.Create(as(t, owner), in)
		require.NoError(t, err, "no format is TEXT")
		require.Equal(t, first.Note.ID, same.Note.ID)
		theirs, err := r.Create(as(t, "user_b"), in)
		require.NoError(t, err)
		require.NotEqual(t, first.Note.ID, theirs.Note.ID, "a key belongs to its owner")

		_, err = r.Delete(as(t, owner), first.Note.ID)
		require.NoError(t, err)
		_, err = r.Create(as(t, owner), in)
		refused(t, err, apperr.NotFound)
		in.IdempotencyKey = ptr("")
		_, err = r.Create(as(t, owner), in)
		refused(t, err, apperr.BadInput, "input", "idempotencyKey")
	})
}

func TestARepeatedImportNoteMakesOneNote(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		load := func(change func(in *note.Upload)) func(ctx context.Context) (*note.Written, error) {
			return func(ctx context.Context) (*note.Written, error) {
				in := note.Upload{Name: "a.txt", Title: ptr("T"), Language: ptr("en"), IdempotencyKey: ptr("k")}
				content := strings.NewReader("content")
				in.File, in.Size = content, content.Size()
				change(&in)
				return r.Import(ctx, in)
			}
		}
		first := r.atOnce(load(func(*note.Upload) {}))
		require.Equal(t, "content", first.Note.Text)
		for what, other := range map[string]func(in *note.Upload){
			"content":  func(in *note.Upload) { in.File, in.Size = strings.NewReader("other"), 5 },
			"mark":     func(in *note.Upload) { in.File, in.Size = strings.NewReader("\uFEFFcontent"), 10 },
			"name":     func(in *note.Upload) { in.Name = "b.txt" },
			"title":    func(in *note.Upload) { in.Title = nil },
			"language": func(in *note.Upload) { in.Language = ptr("fr") },
			"format":   func(in *note.Upload) { in.Format = ptr(note.FormatHTML) },
		} {
			_, err := load(other)(as(t, owner))
			require.Error(t, err, what)
			refused(t, err, apperr.IdempotencyMismatch)
		}
		_, err := r.Create(as(t, owner), note.CreateNoteInput{Title: "T", Text: "content", Language: ptr("en"), IdempotencyKey: ptr("k")})
		require.NoError(t, err, "another operation has keys of its own")
		require.Equal(t, 2, r.notes())
	})
}
