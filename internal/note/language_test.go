package note_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// detected creates a note without a language and gives the one that was found.
func (r *room) detected(text string) string {
	r.t.Helper()
	w, err := r.Create(as(r.t, owner), note.CreateNoteInput{Title: "x", Text: text})
	require.NoError(r.t, err)
	return w.Note.Language
}

func TestLanguageIsDetectedAmongTheAnnounced(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for text, want := range map[string]string{
			"The cat sleeps on the mat while the rain falls outside.": "en",
			"Buenos días, ¿cómo estás? Espero que todo vaya bien.":    "es",
			"Le chat dort sur le tapis et la pluie tombe dehors.":     "fr",
			"Ich gehe heute nach Hause, weil ich sehr müde bin.":      "de",
			"ok":           "und",
			"Hola":         "und",
			"pizza":        "und",
			"123 456, 7/8": "und",
			"?!…":          "und",
			"你好，世界。今天天气很好。":                 "und",
			"Привет, как дела? Всё хорошо?": "und",
		} {
			require.Equal(t, want, r.detected(text), text)
		}
	})
}

func TestNoteOfUnknownLanguageIsTranslatedOnceItsLanguageIsSet(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		w, err := r.Create(as(t, owner), note.CreateNoteInput{Title: "x", Text: "ok"})
		require.NoError(t, err)
		_, _, err = r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: w.Note.ID, Languages: []string{"es"}})
		refused(t, err, apperr.BadInput, "input", "languages")
		require.ErrorContains(t, err, "updateNote")
		r.edit(w.Note, note.UpdateNoteInput{Language: ptr("en")})
		require.Len(t, r.translate(w.Note, "es"), 1)
	})
}

func TestWithoutAnnouncementsNothingIsDetectedAndEveryPairWaits(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, nil)
		require.Equal(t, "und", r.detected("The cat sleeps on the mat while the rain falls outside."))
		require.Len(t, r.translate(r.create(owner, "a", "text", "en"), "ja"), 1, "the job waits for a worker")
		all, err := r.Directions(as(t, owner), nil, nil)
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

// The names of tags and a script are English, whatever the text is.
func TestTheLanguageOfHTMLIsThatOfItsText(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		code := strings.Repeat("<script>// What the weather will be like in the morning\n</script><style>p.the-whole-house { color: white }</style>", 60)
		text := `<div class="what the weather will be like">` + code + `<p>La reuni&oacute;n es <b>ma&ntilde;ana</b> a las diez<br>y todos tienen que venir.</p></div>`
		w, err := r.Create(as(t, owner), note.CreateNoteInput{Title: "x", Text: text, Format: ptr(note.FormatHTML)})
		require.NoError(t, err)
		require.Equal(t, "es", w.Note.Language)
		require.NotEqual(t, "es", r.detected(text), "as plain text")
		for _, empty := range []string{"<p></p>", "<script>The cat sleeps on the mat while the rain falls outside.", "<p", "<!-- The cat sleeps on the mat while the rain falls outside. -->"} {
			w, err := r.Create(as(t, owner), note.CreateNoteInput{Title: "x", Text: empty, Format: ptr(note.FormatHTML)})
			require.NoError(t, err)
			require.Equal(t, "und", w.Note.Language, empty)
		}
	})
}

// A single candidate was sure for every text of its script.
func TestSingleAnnouncedLanguageDoesNotClaimEveryText(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, nil)
		r.announce(jobspec.Direction{Source: "en", Target: "es"}, jobspec.Direction{Source: "zh-Hans", Target: "en"})
		require.Equal(t, "en", r.detected("The cat sleeps on the mat while the rain falls outside."))
		require.Equal(t, "und", r.detected("Ich gehe heute nach Hause, weil ich sehr müde bin."))
		require.Equal(t, "und", r.detected("hi"))
		require.Equal(t, "zh-Hans", r.detected("你好，世界。今天天气很好。"))
	})
}

func TestDirectionsOfWorkersThatAreGoneAreStillOffered(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		newRoom(t, s, nil).announce(mini()...)
		_, err := s.Exec(t.Context(), "UPDATE worker_announcements SET seen_at = ?", store.Now().AddDate(0, 0, -3))
		require.NoError(t, err)
		r := newRoom(t, s, nil)
		n := r.create(owner, "a", "text", "en")
		require.Len(t, r.translate(n, "es"), 1)
		_, _, err = r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"ja"}})
		refused(t, err, apperr.UnsupportedLanguage)
		all, err := r.Directions(as(t, owner), nil, nil)
		require.NoError(t, err)
		require.Len(t, all, len(mini()))
		require.False(t, all[0].Available)
	})
}

func TestDirectionsAreSortedAndJoined(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.announce(append(mini(), jobspec.Direction{Source: "es", Target: "fr"})...)
		all, err := r.Directions(as(t, owner), nil, nil)
		require.NoError(t, err)
		require.Len(t, all, len(mini()))
		require.Equal(t, note.Direction{Source: "de", Target: "en", Available: true}, *all[0])
		for _, d := range all {
			require.False(t, d.Pivot, "one direct way is enough")
		}
	})
}

// A model for very many languages announces them as a mesh, and its pairs with English
// besides.
func TestEveryPairOfAMeshIsOffered(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		require.NoError(t, r.workers.Announce(t.Context(), jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: []jobspec.Bundle{{
			Name: "nllb", Kind: jobspec.KindTranslate, Pool: "nllb", Mesh: []string{"en", "fr", "ja", "zh-Hant"},
			Directions: []jobspec.Direction{{Source: "en", Target: "fr"}, {Source: "fr", Target: "en"}},
		}}}))
		n := r.create(owner, "a", "Bonjour.", "fr")
		require.Len(t, r.translate(n, "ja", "zh-Hant", "zh"), 3)
		_, _, err := r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"ko"}})
		refused(t, err, apperr.UnsupportedLanguage)
		require.Equal(t, "ja", r.detected("今日は天気がいいので、公園へ散歩に行きました。"), "any of its languages is a source")

		shown := func(source, target *string) (pairs []string) {
			all, err := r.Directions(as(t, owner), source, target)
			require.NoError(t, err)
			for _, d := range all {
				require.True(t, d.Available && !d.Pivot)
				pairs = append(pairs, d.Source+">"+d.Target)
			}
			return pairs
		}
		require.Equal(t, []string{"en>fr", "fr>en"}, shown(nil, nil))
		require.Equal(t, []string{"ja>en", "ja>fr", "ja>zh-Hant"}, shown(ptr("ja"), nil))
		require.Equal(t, []string{"en>ja", "fr>ja", "zh-Hant>ja"}, shown(nil, ptr("ja")))
		require.Equal(t, []string{"fr>ja"}, shown(ptr("fr"), ptr("ja")))
		require.Empty(t, shown(ptr("ko"), nil))
		require.Empty(t, shown(ptr("ja"), ptr("ja")))
	})
}

// A large model announces thousands of directions: finding one must stay cheap.
func BenchmarkTranslateWithManyDirections(b *testing.B) {
	var many []jobspec.Direction
	for i := range 100 {
		for j := range 100 {
			many = append(many, jobspec.Direction{Source: tag(i), Target: tag(j)})
		}
	}
	bundles := []jobspec.Bundle{{Name: "many", Kind: jobspec.KindTranslate, Pool: "many", Directions: many}}
	for b.Loop() {
		note.Match(bundles, tag(99), tag(98))
		note.Detect("The cat sleeps on the mat while the rain falls outside.", bundles)
	}
}

func tag(i int) string { return string([]byte{'a' + byte(i/10), 'a' + byte(i%10)}) }
