package lexicon

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                 nil,
		"  Cats & DOGS ":   {"cats", "dogs"},
		"ＦＵＬＬ Straße":      {"full", "strasse"},
		"don't don’t":      {"dont", "dont"},
		"😀😂":               {"😀", "😂"},
		"❤️ ❤":             {"❤", "❤"},
		"👩‍🚀x":             {"👩‍🚀", "x"},
		"🇩🇪🇫🇷":             {"🇩🇪", "🇫🇷"},
		"👍🏽":               {"👍🏽"},
		"東京タワー":            {"東京", "京タ", "タワ", "ワー"},
		"猫":                {"猫"},
		"cat猫":             {"cat", "猫"},
		"e\u0301t\u00e9":   {"été"},
		"<script>alert(1)": {"script", "alert", "1"},
		"a\xffb":           {"a", "b"},
	} {
		assert.Equal(t, want, Words(text), "%q", text)
	}
}

// put gives the fields as stickers have them.
func put(l *Lexicon, id, caption string, tags ...string) {
	fields := []Field{{caption, 2}}
	for _, tag := range tags {
		fields = append(fields, Field{tag, 1})
	}
	l.Put(id, fields...)
	l.Sort()
}

func found(hits []Hit) (ids []string) {
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func TestTheLexiconFindsWhatFitsBest(t *testing.T) {
	t.Parallel()
	l := New()
	put(l, "a", "red heart", "love", "emotion")
	put(l, "b", "cat face", "pet", "love")
	put(l, "c", "cat", "pet", "animal")
	assert.Equal(t, []string{"c", "b"}, found(l.Search(Words("Cat"), false)))
	assert.Equal(t, []string{"a"}, found(l.Search(Words("heart"), false)))
	assert.Equal(t, []string{"b", "a"}, found(l.Search(Words("love face"), false)))
	assert.Empty(t, l.Search(Words("hea"), false))
	assert.Equal(t, []string{"a"}, found(l.Search(Words("hea"), true)), "somebody types")
	assert.Equal(t, 2, l.Count("love"))
	assert.Greater(t, l.Most(Words("love face")), l.Search(Words("love face"), false)[0].Score)
	put(l, "a", "broken")
	assert.Equal(t, []string{"b"}, found(l.Search(Words("love"), false)), "replaced")
	assert.Equal(t, 1, l.Count("love"))
	l.Delete("b")
	l.Delete("b")
	l.Sort()
	assert.Empty(t, l.Search(Words("love"), true))
	assert.Empty(t, l.Beginning("lo", 10))
	l.Delete("a")
	l.Delete("c")
	assert.Zero(t, l.Len())
	assert.Zero(t, l.length)
	assert.Empty(t, l.Search(Words("cat"), false))
}

// What a lexicon finds depends on what it holds alone, not on how that came about.
func TestALexiconIsAsOneMadeAnew(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	changed, texts := New(), map[string]string{}
	for range 6000 {
		id := fmt.Sprint("s", random.IntN(400))
		if random.IntN(3) == 0 {
			changed.Delete(id)
			delete(texts, id)
			continue
		}
		texts[id] = fmt.Sprintf("w%d w%d word%d", random.IntN(50), random.IntN(50), random.IntN(9))
		changed.Put(id, Field{texts[id], 1})
	}
	require.Less(t, changed.dead, 1500, "nothing was left out")
	changed.Sort()
	fresh := New()
	for id, text := range texts {
		fresh.Put(id, Field{text, 1})
	}
	fresh.Sort()
	for i := range 50 {
		query := Words(fmt.Sprintf("w%d wor", i))
		want, got := fresh.Search(query, true), changed.Search(query, true)
		require.Equal(t, found(want), found(got))
		for j := range want {
			require.InDelta(t, want[j].Score, got[j].Score, 1e-9)
		}
		require.Equal(t, fresh.Beginning(fmt.Sprint("w", i), 9), changed.Beginning(fmt.Sprint("w", i), 9))
	}
}

func BenchmarkSearch(b *testing.B) {
	l := New()
	for i := range 1545 {
		put(l, fmt.Sprint(i), fmt.Sprintf("a sticker of kind %d", i%97), "tag", fmt.Sprint(i%11))
	}
	for b.Loop() {
		l.Search(Words("sticker kind 12"), true)
	}
}
