package translate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// A model for many languages is asked by its tokens, T5 by words; what comes out is the
// reference's output for the same request.
func TestOtherFamiliesTranslateAsTheirReference(t *testing.T) {
	nllb := testkit.Shared(t, "models", "random", "nllb-random")
	whole := start(t, nllb, Options{})
	directions := whole.Bundle().Directions
	assert.Equal(t, 400, len(directions), "English to and from 200 languages, and no pivots within one model") //nolint:testifylint // the list is long
	for _, target := range []string{"es", "ko", "zh", "zh-Hant", "yo", "sr", "ace-Arab"} {
		assert.True(t, slices.Contains(directions, jobspec.Direction{Source: "en", Target: target}), target)
	}
	t5 := filepath.Join(t.TempDir(), "t5")
	require.NoError(t, os.CopyFS(t5, os.DirFS(testkit.Shared(t, "models", "random", "t5-random"))))
	card, err := json.Marshal(bundle.Card{Directions: []bundle.Direction{{Source: "en", Target: "de", Prefix: "translate English to German: "}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(t5, "parley.json"), card, 0o600))
	for dir, tr := range map[string]*Translator{nllb: whole, t5: start(t, t5, Options{})} {
		ref, err := pipeline.ReadReference(dir)
		require.NoError(t, err)
		compared := 0
		for _, c := range ref.Cases {
			settings, err := tr.bundle.Generation.With(c.Settings)
			require.NoError(t, err)
			target := "de"
			if settings.ForcedBOS != nil {
				target = map[int64]string{ref.Languages["spa_Latn"]: "es", ref.Languages["fra_Latn"]: "fr"}[*settings.ForcedBOS]
			}
			plain := settings.NumBeams == 1 && settings.RepetitionPenalty == 1 && settings.MinNewTokens == nil && len(settings.Suppress) == 0
			text := strings.TrimPrefix(c.Input, "translate English to German: ")
			// The translator has no limit of 24 tokens, and sentences of its own.
			if !plain || !slices.Contains(settings.EOS, c.Output[len(c.Output)-1]) || strings.ContainsAny(strings.TrimRight(text, ".!?"), ".!?\u00a0") {
				continue
			}
			assert.Equal(t, c.Text, translate(t, tr, "en", target, text), "%q to %s", text, target)
			compared++
		}
		assert.Greater(t, compared, 2, dir)
	}
}

// A model for 201 languages goes between all of them, and announces that as a mesh: 40,200
// pairs would fit no announcement.
func TestEveryLanguageOfAMeshIsTranslatedIntoEveryOther(t *testing.T) {
	tr := start(t, testkit.Shared(t, "models", "random", "nllb-random"), Options{})
	mesh := tr.Bundle().Mesh
	assert.Len(t, mesh, 201)
	assert.True(t, slices.IsSorted(mesh))
	id := func(token string) int64 {
		id, ok := tr.tokenizer.ID(token)
		require.True(t, ok, token)
		return id
	}
	hops, err := tr.route("fr-CA", "ko")
	require.NoError(t, err)
	require.Len(t, hops, 1)
	assert.Equal(t, []int64{id("fra_Latn")}, hops[0].prefix)
	assert.Equal(t, id("kor_Hang"), *hops[0].settings.ForcedBOS)
	translate(t, tr, "fr", "ko", "Bonjour.")
	for _, p := range []pair{{"fr", "fr"}, {"fr", "tlh"}, {"tlh", "en"}} {
		_, err := tr.route(p.source, p.target)
		assert.Error(t, err, "%v", p)
	}
}
