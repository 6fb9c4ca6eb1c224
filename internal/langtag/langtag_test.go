package langtag_test

import (
	"strings"
	"testing"

	"github.com/abadojack/whatlanggo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/langtag"
)

func TestTagsBecomeCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "eng": "en", "de": "de", "deu": "de", "ger": "de", "PT-br": "pt-BR", "pt_BR": "pt-BR", "und": "und",
		"zh-hant-tw": "zh-Hant-TW", "zh-cmn-hans": "zh-Hans", "iw": "he", "sr-Latn": "sr-Latn", "es-419": "es-419", "de-DE-1996": "de-DE-1996",
		"en-Latn": "en", "x-private": "x-private", "i-klingon": "tlh", "en-u-co-phonebk": "en-u-co-phonebk",
	} {
		got, err := langtag.Canonical(in)
		assert.NoError(t, err, "%q", in)
		assert.Equal(t, want, got, "%q", in)
	}
}

func TestWhatIsNoTagIsBadInput(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", "e", "-", "en-", "-en", "en--us", "en us", " en", "english", "english language", "../../etc/passwd", "xx-yy-zz-aa",
		"en\x00", "en\xff", "ｅｎ", "💥", "de;q=0.5", "*", strings.Repeat("en-", 40), "en-" + strings.Repeat("abcdefgh-", 4) + "x", strings.Repeat("x", 1<<20),
	} {
		got, err := langtag.Canonical(in)
		e := apperr.List(err)
		assert.True(t, got == "" && len(e) == 1 && e[0].Code == apperr.BadInput && len(e[0].Message) <= 300, "%.40q: %q, %.400v", in, got, err)
	}
}

// A tag that is taken stays what it is, fits its column, and is safe anywhere.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"en", "pt-BR", "zh-Hant-TW", "x-private", "i-klingon", "en-u-co-phonebk", "a", "und-x-y", "EN_us", "sgn-BE-FR", "art-lojban"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tag, err := langtag.Canonical(in)
		if err != nil {
			require.Empty(t, tag, "%q, %v", in, err)
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %q, %v", in, tag, err)
			return
		}
		again, err := langtag.Canonical(tag)
		require.NoError(t, err, "%q, which", in)
		require.Equal(t, tag, again, "%q, which", in)
		if tag == "" || len(tag) > 35 || strings.ContainsFunc(tag, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			t.Fatalf("%q became %q", in, tag)
		}
	})
}

func TestDetectableLanguages(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]whatlanggo.Lang{"en": whatlanggo.Eng, "pt-BR": whatlanggo.Por, "zh-Hans": whatlanggo.Cmn, "ar": whatlanggo.Arb, "nb": whatlanggo.Nob} {
		got, ok := langtag.Detectable(tag)
		require.True(t, ok, tag)
		require.Equal(t, want, got, tag)
	}
	for _, tag := range []string{"", "und", "tlh", "x"} {
		_, ok := langtag.Detectable(tag)
		require.False(t, ok, tag)
	}
	require.Equal(t, "en", langtag.Base("en-GB"))
	require.Equal(t, "en", langtag.Base("en"))
}
