package note_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/jobspec"
	"parley/internal/note"
)

func termsIn(pairs ...string) (all []*note.GlossaryTermInput) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &note.GlossaryTermInput{Term: pairs[i], Translation: pairs[i+1]})
	}
	return all
}

func (r *room) gloss(user, source, target string, pairs ...string) *note.Glossary {
	r.t.Helper()
	g, err := r.SetGlossary(as(r.t, user), note.SetGlossaryInput{Source: source, Target: target, Terms: termsIn(pairs...)})
	require.NoError(r.t, err)
	return g
}

func TestAGlossaryIsReplacedAsAWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		g := r.gloss(owner, "en", "es", " house ", "vivienda", "garden", "huerto")
		require.Equal(t, []*note.GlossaryTerm{{Term: "house", Translation: "vivienda"}, {Term: "garden", Translation: "huerto"}}, g.Terms)
		r.gloss("user_b", "en", "es", "theirs", "suyo")
		g = r.gloss(owner, "en", "es", "tree", "\u00e1rbol")
		require.Len(t, g.Terms, 1)
		all, err := r.Glossaries(as(t, owner))
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "tree", all[0].Terms[0].Term)
		seen, err := r.Glossaries(asAdmin(t))
		require.NoError(t, err)
		require.Empty(t, seen, "another's is not even an admin's to see")
		require.Nil(t, r.gloss(owner, "en", "es"))
		none, err := r.Glossary(as(t, owner), "en", "es")
		require.NoError(t, err)
		require.Nil(t, none)
	})
}

func TestARepeatedSetGlossarySetsNothingAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := note.SetGlossaryInput{Source: "en", Target: "es", Terms: termsIn("a", "b"), IdempotencyKey: ptr("k")}
		_, err := r.SetGlossary(as(t, owner), in)
		require.NoError(t, err)
		r.gloss(owner, "en", "es", "c", "d")
		g, err := r.SetGlossary(as(t, owner), in)
		require.NoError(t, err)
		require.Equal(t, "c", g.Terms[0].Term)
		in.Terms = termsIn("x", "y")
		_, err = r.SetGlossary(as(t, owner), in)
		refused(t, err, apperr.IdempotencyMismatch)
	})
}

func TestGlossariesHaveLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		set := func(in note.SetGlossaryInput) error { _, err := r.SetGlossary(as(t, owner), in); return err }
		for what, test := range map[string]struct {
			terms []*note.GlossaryTermInput
			path  []string
		}{
			"twice": {termsIn("Stra\u00dfe", "a", "STRASSE", "b"), []string{"input", "terms", "1", "term"}},
			"empty": {termsIn("a", "b", " ", "b"), []string{"input", "terms", "1", "term"}},
			"none":  {termsIn("a", ""), []string{"input", "terms", "0", "translation"}},
			"lines": {termsIn("a\nb", "c"), []string{"input", "terms", "0", "term"}},
			"long":  {termsIn(strings.Repeat("x", 101), "c"), []string{"input", "terms", "0", "term"}},
			"bytes": {termsIn("a", "\xff"), []string{"input", "terms", "0", "translation"}},
			"digit": {termsIn("42", "a"), []string{"input", "terms", "0", "term"}},
			"own":   {termsIn("a", "\U000F0000"), []string{"input", "terms", "0", "translation"}},
		} {
			err := set(note.SetGlossaryInput{Source: "en", Target: "es", Terms: test.terms})
			require.Error(t, err, what)
			refused(t, err, apperr.BadInput, test.path...)
		}
		var many []*note.GlossaryTermInput
		for i := range jobspec.MaxTerms + 1 {
			many = append(many, termsIn("t"+strconv.Itoa(i), "x")...)
		}
		refused(t, set(note.SetGlossaryInput{Source: "en", Target: "es", Terms: many}), apperr.BadInput, "input", "terms")
		require.NoError(t, set(note.SetGlossaryInput{Source: "en", Target: "es", Terms: many[1:]}))
		refused(t, set(note.SetGlossaryInput{Source: "en", Target: "en-GB"}), apperr.BadInput, "input", "target")
		for i := 1; i < note.MaxGlossaries; i++ {
			r.gloss(owner, "en", "de-x-"+strconv.Itoa(i), "a", "b")
		}
		refused(t, set(note.SetGlossaryInput{Source: "fr", Target: "es", Terms: termsIn("a", "b")}), apperr.BadInput, "input", "source")
		require.NoError(t, set(note.SetGlossaryInput{Source: "en", Target: "es", Terms: termsIn("a", "c")}), "one that is there can be changed")
	})
}

func TestTheWorkerIsToldTheTermsThatOccur(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.gloss(owner, "en", "es", "house", "vivienda", "garden", "huerto")
		r.gloss("user_b", "en", "es", "house", "another's")
		n := r.create(owner, "a", "The House is small.", "en-GB")
		_, told, _ := r.work(r.translate(n, "es")[0])
		require.Equal(t, []jobspec.Term{{Term: "house", Translation: "vivienda"}}, told.Terms)
		_, told, payload := r.work(r.translate(n, "fr")[0])
		require.Empty(t, told.Terms)
		require.NotContains(t, payload, "terms")
		r.gloss(owner, "en", "es", "caf\u00e9 bar", "cafeter\u00eda")
		_, told, _ = r.work(r.translate(r.html("<p>A caf&eacute;\nbar.</p>"), "es")[0])
		require.Len(t, told.Terms, 1, "entities and line breaks are read")
	})
}

func TestOnlyTermsThatApplyMakeATranslationAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.create(owner, "a", "The house is small.", "en")
		first := r.translate(n, "es")[0]
		r.finish(first, "uno")
		r.gloss(owner, "en", "es", "garden", "huerto")
		require.Equal(t, first.ID, r.translate(n, "es")[0].ID, "no term of it occurs")
		r.gloss(owner, "en", "es", "garden", "huerto", "house", "vivienda")
		require.Equal(t, "READY", r.states(n)["es"], "until it is asked for")
		second := r.translate(n, "es")[0]
		require.NotEqual(t, first.ID, second.ID)
		require.Equal(t, second.ID, r.translate(n, "es")[0].ID)
		require.Equal(t, "PENDING", r.states(n)["es"])
		r.gloss(owner, "en", "es", "house", "hogar")
		third := r.translate(n, "es")[0]
		require.NotEqual(t, second.ID, third.ID)
		r.finish(second, "dos")
		require.Equal(t, "CANCELLED", string(r.stateOf(second)), "nobody waits for it any more")
		r.finish(third, "tres")
		require.Equal(t, "tres", *r.read(n).Edges.Translations[0].Text)
		require.Equal(t, third.ID, r.translate(n, "es")[0].ID)
	})
}
