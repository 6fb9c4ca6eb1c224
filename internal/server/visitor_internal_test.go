package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestThePreferredLanguagesAreThoseOfTheHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][]string{
		"":                                nil,
		"es":                              {"es"},
		"es-ES,es;q=0.9,en;q=0.8":         {"es-ES", "es", "en"},
		"en;q=0.3, de-AT, fr;q=0.5":       {"de-AT", "fr", "en"},
		"de, en;q=0":                      {"de"},
		"*":                               {"mul"},
		"no language at all":              nil,
		"de;q=x":                          nil,
		"\xff":                            nil,
		strings.Repeat("de,", 1<<18):      nil,
		strings.Repeat("-", 255):          nil,
		strings.Repeat("es,", 30) + "fr":  {"es", "es", "es", "es", "es", "es", "es", "es", "es", "es"},
		"de;q=0.5,ja;q=0.5,x-private,und": {"x-private", "de", "ja"},
	} {
		r := httptest.NewRequest("POST", "/graphql", nil)
		r.Header.Set("Accept-Language", header)
		assert.Equal(t, want, preferred(r), "%.60q", header)
	}
}
