package querytext_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
	"parley/internal/jobspec"
	"parley/internal/querytext"
)

// How often the language of a label is found, by what there is to choose from and by what
// the asker prefers. A label whose words are all English ones too stays as it is, and an English
// one should.
func TestClient_FindsTheLanguagesOfShortTexts(t *testing.T) {
	t.Parallel()
	// A word that one row alone has does not know itself.
	known, rows := english(t, 2), labels(t)
	for _, of := range []struct {
		language string
		// own is what somebody prefers who asks in it, but of English what another does.
		own     string
		sources []string
		// floors are the least shares that are found without a preference, with the
		// language's own, and with English.
		floors [3]float64
	}{
		{"es", "es", []string{"es", "fr", "de"}, [3]float64{0.70, 0.96, 0.41}},
		{"fr", "fr", []string{"es", "fr", "de"}, [3]float64{0.74, 0.95, 0.48}},
		{"de", "de", []string{"es", "fr", "de"}, [3]float64{0.56, 0.91, 0.38}},
		{"en", "es", []string{"es", "fr", "de"}, [3]float64{0.69, 0.58, 0.89}},
		{"es", "es", []string{"es", "fr", "de", "it", "pt"}, [3]float64{0.49, 0.96, 0.22}},
		{"fr", "fr", []string{"es", "fr", "de", "it", "pt"}, [3]float64{0.66, 0.95, 0.44}},
		{"de", "de", []string{"es", "fr", "de", "it", "pt"}, [3]float64{0.52, 0.92, 0.37}},
	} {
		c := echo(t, of.sources...)
		for at, preferred := range [][]string{nil, {of.own}, {"en-US", "en"}} {
			found, stayed := 0, 0
			for i := 0; i < len(rows); i += 3 {
				u, err := c.Understood(t.Context(), asked(rows[i]["label_"+of.language], known, preferred...))
				require.NoError(t, err)
				switch {
				case u.From == of.language, u.From == "" && of.language == "en":
					found++
				case u.From == "":
					stayed++
				}
			}
			n := float64((len(rows) + 2) / 3)
			t.Logf("%s of %v, preferred %v: found %.1f %%, stays %.1f %%, taken for another %.1f %%", of.language, of.sources, preferred,
				100*float64(found)/n, 100*float64(stayed)/n, 100*(n-float64(found+stayed))/n)
			assert.GreaterOrEqual(t, float64(found)/n, of.floors[at], "%s of %v, preferred %v", of.language, of.sources, preferred)
		}
	}
}

// echo makes a client that translates from some languages into English, by saying which.
func echo(t *testing.T, sources ...string) *querytext.Client {
	t.Helper()
	var directions []string
	for _, s := range sources {
		directions = append(directions, s+">en", "en>"+s)
	}
	c, err := querytext.New(querytext.Config{
		Cache: cache.NewMemory(16 << 20), Deadline: ample,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) {
			return []jobspec.Bundle{embedder("en"), translator("t", directions...)}, nil
		},
		Ask: func(_ context.Context, _ string, payload any) (json.RawMessage, error) {
			return json.Marshal(jobspec.TranslateAnswer{Digest: "t", Text: "from " + payload.(jobspec.TranslateQuery).Source})
		},
	})
	require.NoError(t, err)
	return c
}
