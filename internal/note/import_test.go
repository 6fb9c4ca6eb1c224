package note_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	entnote "parley/ent/gen/note"
	"parley/internal/apperr"
	"parley/internal/note"
)

func TestTextFileBecomesANote(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		load := func(name, content string) (*note.Written, error) {
			return r.Import(as(t, owner), note.Upload{File: strings.NewReader(content), Size: int64(len(content)), Name: name, Language: ptr("en")})
		}
		for name, c := range map[string]struct{ file, content, title, text string }{
			"plain":            {"shopping.txt", "milk\nbread", "shopping", "milk\nbread"},
			"byte order mark":  {"a.txt", "\uFEFFhello", "a", "hello"},
			"Windows lines":    {"a.TXT", "a\r\nb\rc", "a", "a\nb\nc"},
			"path of a client": {`C:\notes\deep.txt`, "x", "deep", "x"},
			"several dots":     {"v1.2.txt", "x", "v1.2", "x"},
			"long name":        {strings.Repeat("ü", 300) + ".txt", "x", strings.Repeat("ü", 200), "x"},
			"largest":          {"a.txt", strings.Repeat("x", 64<<10), "a", strings.Repeat("x", 64<<10)},
		} {
			w, err := load(c.file, c.content)
			require.NoError(t, err, name)
			require.Equal(t, c.title, w.Note.Title, name)
			require.Equal(t, c.text, w.Note.Text, name)
		}
		for name, c := range map[string]struct {
			file, content string
			code          apperr.Code
		}{
			"other ending": {"a.pdf", "x", apperr.BadInput},
			"no ending":    {"txt", "x", apperr.BadInput},
			"Latin-1":      {"a.txt", "caf\xe9", apperr.BadInput},
			"UTF-16":       {"a.txt", "\xff\xfeh\x00i\x00", apperr.BadInput},
			"empty":        {"a.txt", "", apperr.BadInput},
			"only a mark":  {"a.txt", "\uFEFF", apperr.BadInput},
			"NUL":          {"a.txt", "a\x00b", apperr.BadInput},
			"too large":    {"a.txt", strings.Repeat("x", 64<<10+1), apperr.TooLarge},
		} {
			_, err := load(c.file, c.content)
			refused(t, err, c.code, "input", "file")
			_ = name
		}
		for name, want := range map[string]entnote.Format{
			"a.txt": note.FormatText, "a.html": note.FormatHTML, "a.HTM": note.FormatHTML,
		} {
			w, err := load(name, "<p>x</p>")
			require.NoError(t, err, name)
			require.Equal(t, want, w.Note.Format, name)
			require.Equal(t, "a", w.Note.Title, name)
			for _, told := range []entnote.Format{note.FormatText, note.FormatHTML} {
				w, err := r.Import(as(t, owner), note.Upload{File: strings.NewReader("x"), Size: 1, Name: name, Language: ptr("en"), Format: &told})
				require.NoError(t, err, name)
				require.Equal(t, told, w.Note.Format, "what is told counts, whatever the name")
			}
		}
		w, err := r.Import(as(t, owner), note.Upload{File: strings.NewReader("x"), Size: 1, Name: "a.txt", Title: ptr("My own"), Language: ptr("fr")})
		require.NoError(t, err)
		require.Equal(t, "My own", w.Note.Title)
		require.Equal(t, "fr", w.Note.Language)
	})
}

// A file whose size the client told too small was cut where the limit is, and
// the rest was lost without a word.
func TestFileThatIsLargerThanItSaysIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		content := strings.Repeat("line\r\n", 20_000)
		_, err := r.Import(as(t, owner), note.Upload{File: strings.NewReader(content), Size: 10, Name: "a.txt", Language: ptr("en")})
		refused(t, err, apperr.TooLarge, "input", "file")
	})
}

func TestImportDetectsTheLanguage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		text := "La reunión es mañana a las diez y todos tienen que venir."
		w, err := r.Import(as(t, owner), note.Upload{File: strings.NewReader(text), Size: int64(len(text)), Name: "a.txt"})
		require.NoError(t, err)
		require.Equal(t, "es", w.Note.Language)
	})
}
