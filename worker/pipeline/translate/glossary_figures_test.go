package translate

import (
	"bufio"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/internal/testkit"
)

var figures = flag.Bool("figures", false, "measure what terms of a glossary do to sentences, for docs/translation.md")

type sentencePair struct{ source, target string }

// tatoeba reads the sentences of English and a language, from or to it.
func tatoeba(t *testing.T, language, split string, fromEnglish bool) (all []sentencePair) {
	t.Helper()
	f, err := os.Open(testkit.Shared(t, "data", "translation", "en-"+language, "tatoeba."+split+".tsv.zst"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	z, err := zstd.NewReader(f)
	require.NoError(t, err)
	defer z.Close()
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		source, target, _ := strings.Cut(lines.Text(), "\t")
		if !fromEnglish {
			source, target = target, source
		}
		all = append(all, sentencePair{source, target})
	}
	require.NoError(t, lines.Err())
	return all
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}

// dictionary pairs the words that stand in the same pairs most often, by Dice's
// coefficient, each the other's best.
func dictionary(pairs []sentencePair) map[string]string {
	sources, targets, both := map[string]int{}, map[string]int{}, map[sentencePair]int{}
	for _, p := range pairs {
		from := slices.Compact(slices.Sorted(slices.Values(wordsOf(p.source))))
		to := slices.Compact(slices.Sorted(slices.Values(wordsOf(p.target))))
		for _, y := range to {
			targets[y]++
		}
		for _, x := range from {
			sources[x]++
			for _, y := range to {
				both[sentencePair{x, y}]++
			}
		}
	}
	type best struct {
		word  string
		score float64
	}
	there, back := map[string]best{}, map[string]best{}
	better := func(all map[string]best, key, word string, score float64) {
		if b := all[key]; score > b.score || score == b.score && word < b.word {
			all[key] = best{word, score}
		}
	}
	for p, n := range both {
		if n >= 8 && len(p.source) >= 4 && len(p.target) >= 4 {
			score := 2 * float64(n) / float64(sources[p.source]+targets[p.target])
			better(there, p.source, p.target, score)
			better(back, p.target, p.source, score)
		}
	}
	words := map[string]string{}
	for x, b := range there {
		if back[b.word].word == x && b.score > 0.4 && x != b.word && sources[x] < len(pairs)/100 {
			words[x] = b.word
		}
	}
	return words
}

// chrF is the measure of Popović (2015), of up to six characters, beta 2.
func chrF(text, reference string) float64 {
	grams := func(s string, n int) (counts map[string]int, total int) {
		r := []rune(strings.Join(strings.Fields(s), ""))
		counts = map[string]int{}
		for i := 0; i+n <= len(r); i++ {
			counts[string(r[i:i+n])]++
			total++
		}
		return counts, total
	}
	var precision, recall, orders float64
	for n := 1; n <= 6; n++ {
		got, all := grams(text, n)
		want, most := grams(reference, n)
		same := 0
		for g, count := range want {
			same += min(count, got[g])
		}
		if all > 0 && most > 0 {
			orders++
			precision += float64(same) / float64(all)
			recall += float64(same) / float64(most)
		}
	}
	if precision+recall == 0 {
		return 0
	}
	precision, recall = precision/orders, recall/orders
	return 5 * precision * recall / (4*precision + recall)
}

// without takes a word out of a text, where it stands first.
func without(language, text, word string) string {
	found := glossary.New(language, []jobspec.Term{{Term: word}}).Find(text)
	if len(found) == 0 {
		return text
	}
	return text[:found[0].Start] + text[found[0].End:]
}

type trial struct {
	sentencePair
	term jobspec.Term
}

// trials are held-out sentences with one word of the dictionary, whose translation stands
// in the other sentence once.
func trials(pairs []sentencePair, words map[string]string, source, target string) (all []trial) {
	once := func(language, text, word string) bool {
		return len(glossary.New(language, []jobspec.Term{{Term: word}}).Find(text)) == 1
	}
	for k, p := range pairs {
		of := wordsOf(p.source)
		for i := range of {
			word := of[(i+k)%len(of)]
			if to := words[word]; to != "" && once(source, p.source, word) && once(target, p.target, to) {
				all = append(all, trial{p, jobspec.Term{Term: word, Translation: to}})
				break
			}
		}
		if len(all) == 200 {
			break
		}
	}
	return all
}

// TestFiguresOfTerms compares the ways by what they leave of the rest of a sentence: chrF
// with the term taken out of both sides.
func TestFiguresOfTerms(t *testing.T) {
	if !*figures {
		t.Skip("run it with -figures")
	}
	tr := start(t, testkit.Model(t, "translate-mini"), Options{})
	t.Log("| direction | sentences | carried over | replaced, else carried | replaced, else switched, else carried | shares |")
	for _, language := range []string{"es", "de", "fr"} {
		for _, fromEnglish := range []bool{true, false} {
			source, target := "en", language
			if !fromEnglish {
				source, target = target, source
			}
			words := dictionary(tatoeba(t, language, "train", fromEnglish))
			all := trials(tatoeba(t, language, "test", fromEnglish), words, source, target)
			var mu sync.Mutex
			var wait sync.WaitGroup
			var over, two, three float64
			ways := map[way]int{}
			for _, x := range all {
				wait.Go(func() {
					carried, got, way := byTheWays(t, tr, source, target, x)
					reference := without(target, x.target, x.term.Translation)
					score := func(text string) float64 { return chrF(without(target, text, x.term.Translation), reference) }
					mu.Lock()
					defer mu.Unlock()
					ways[way]++
					over += score(carried)
					three += score(got)
					if way == replaced {
						two += score(got)
					} else {
						two += score(carried)
					}
				})
			}
			wait.Wait()
			n := math.Max(1, float64(len(all)))
			t.Logf("| %s to %s | %d | %.3f | %.3f | %.3f | %d / %d / %d %% |", source, target, len(all), over/n, two/n, three/n,
				100*ways[replaced]/len(all), 100*ways[switched]/len(all), 100*ways[carriedOver]/len(all))
		}
	}
}

// byTheWays translates a sentence with its term carried over, by a sign that the vocabulary
// lacks, and as it is done.
func byTheWays(t *testing.T, tr *Translator, source, target string, x trial) (carried, got string, taken way) {
	at := glossary.New(source, []jobspec.Term{x.term}).Find(x.source)[0]
	sign := translate(t, tr, source, target, x.source[:at.Start]+"\U0001F600"+x.source[at.End:])
	job := jobspec.Translate{Text: x.source, Source: source, Target: target, Terms: []jobspec.Term{x.term}}
	done, err := tr.Translate(t.Context(), job, nil, Keeping(nil, func(all []Sentence) {
		if w := way(all[len(all)-1].Way); w != carriedOver {
			taken = w
		}
	}))
	assert.NoError(t, err)
	assert.NotEmpty(t, glossary.New(target, []jobspec.Term{{Term: x.term.Translation}}).Find(done.Text), "%q in %q", x.term.Translation, done.Text)
	return strings.ReplaceAll(sign, "\U0001F600", x.term.Translation), done.Text, taken
}
