package indexing

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
)

var both = Source{Name: "thing", Sides: []Side{Words, Picture}}

func textsOnly() *Index { return &Index{Digest: "d", Dimensions: 4, Texts: true} }

// What is done about a row follows from what it holds and waits for.
func TestStandingOfRows(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		row   row
		known bool
		want  what
	}{
		"nothing is stored":                          {row{}, false, wanted},
		"a current vector":                           {row{version: 3, content: "c", hasVector: true}, true, nothing},
		"one of a newer version":                     {row{version: 4, content: "x", hasVector: true}, true, nothing},
		"one of an older text":                       {row{version: 2, content: "b", hasVector: true}, true, wanted},
		"one of an older version of the same text":   {row{version: 2, content: "c", hasVector: true}, true, older},
		"a job for it":                               {row{job: "j", jobVersion: 3, jobContent: "c"}, true, nothing},
		"a job for an older text":                    {row{job: "j", jobVersion: 2, jobContent: "b"}, true, wanted},
		"a job for the same text":                    {row{job: "j", jobVersion: 2, jobContent: "c"}, true, older},
		"a failure for good":                         {row{version: 3, content: "c", failed: true, jobVersion: 3}, true, nothing},
		"a failure of an older version":              {row{version: 2, content: "c", failed: true, jobVersion: 2}, true, wanted},
		"another try later":                          {row{failed: true, jobVersion: 3, jobContent: "c", tries: 1, retryAt: now.Add(time.Hour)}, true, nothing},
		"another try now":                            {row{failed: true, jobVersion: 3, jobContent: "c", tries: 1, retryAt: now.Add(-1)}, true, again},
		"another try later of what is another text":  {row{failed: true, jobVersion: 2, jobContent: "b", tries: 1, retryAt: now.Add(time.Hour)}, true, wanted},
		"neither vector nor failure nor job":         {row{}, true, wanted},
		"a vector that a later try is to replace":    {row{version: 1, content: "a", hasVector: true, jobVersion: 3, jobContent: "c", retryAt: now.Add(time.Hour)}, true, nothing},
		"a vector whose replacement is due to retry": {row{version: 1, content: "a", hasVector: true, jobVersion: 3, jobContent: "c", retryAt: now.Add(-1)}, true, again},
	} {
		assert.Equal(t, c.want, standing(c.row, c.known, 3, "c", now), name)
	}
}

func TestComparePlansWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	items := []Item{{ID: "a", Version: 1, Text: "x"}, {ID: "b", Version: 2, Text: ""}}
	content, ok := contentOf(textsOnly(), items[0], Words)
	require.True(t, ok)
	p := compare(textsOnly(), both, items, []row{
		{id: 1, object: "b", side: Words, hasVector: true, version: 1}, {id: 2, object: "c", side: Picture}, {id: 3, object: "c", side: Words},
	}, time.Now())
	assert.Equal(t, 1, p.sides)
	require.Len(t, p.wants, 1)
	assert.Equal(t, want{source: "thing", object: "a", side: Words, version: 1, content: content, item: items[0]}, p.wants[0])
	assert.ElementsMatch(t, []int64{1, 2, 3}, p.surplus)
	assert.Equal(t, []string{"b", "c"}, p.changed)
}

// Each try has fewer neighbours; texts and pictures keep within every bound of a message.
func TestBatchesKeepWithinTheBounds(t *testing.T) {
	t.Parallel()
	index := &Index{Digest: strings.Repeat("d", 64), Dimensions: 384, Texts: true, Pictures: true}
	for tries, most := range map[int]int{0: 256, 1: 16, 2: 1, 3: 1} {
		assert.Equal(t, most, newBatch(index, tries).most, tries)
	}
	assert.Equal(t, 32, newBatch(&Index{Dimensions: 4096}, 0).most)
	// The worst text: every byte takes six in JSON.
	worst := strings.Repeat("\x01", 100<<10)
	b := newBatch(index, 0)
	n := 0
	for {
		c, err := want{side: Words, item: Item{Text: worst}}.read(t.Context())
		require.NoError(t, err)
		if !b.fits(c) {
			break
		}
		b.add(want{side: Words}, c)
		n++
	}
	assert.Positive(t, n)
	file := noise(t, 383)
	require.LessOrEqual(t, len(file), maxPicture)
	small, err := Shrink(noise(t, 700))
	require.NoError(t, err)
	require.LessOrEqual(t, len(small), maxPicture)
	payload, err := json.Marshal(b.work)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(payload), jobspec.MaxEmbedPayload)
	one := newBatch(index, 0)
	c := content{picture: make([]byte, maxPicture), bytes: (maxPicture+2)/3*4 + 3}
	assert.True(t, one.fits(c), "the largest picture fits")
	one.add(want{side: Picture}, c)
	payload, err = json.Marshal(one.work)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(payload), jobspec.MaxEmbedPayload)
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("ü", jobspec.MaxEmbedText), strings.Repeat("a", jobspec.MaxEmbedText-1) + "💥", "a\xffb"} {
		got := cut(text)
		assert.True(t, utf8.ValidString(got))
		assert.LessOrEqual(t, len(got), jobspec.MaxEmbedText)
		assert.Greater(t, len(got), min(len(text), jobspec.MaxEmbedText)-4)
	}
}

// noise is a picture as PNG that hardly gets smaller.
func noise(t *testing.T, side int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = uint8(random.Uint32() >> 24)
	}
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return out.Bytes()
}

func TestPicturesAreShrunk(t *testing.T) {
	t.Parallel()
	small := noise(t, 50)
	got, err := Shrink(small)
	require.NoError(t, err)
	assert.Equal(t, small, got, "as it is")
	flat := image.NewNRGBA(image.Rect(0, 0, 2048, 3))
	for i := range flat.Pix {
		flat.Pix[i] = 200
	}
	var wide, photo bytes.Buffer
	require.NoError(t, png.Encode(&wide, flat))
	require.NoError(t, jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 600, 300)), nil))
	for name, c := range map[string]struct {
		file          []byte
		width, height int
		format        string
	}{"wide": {wide.Bytes(), 384, 1, "png"}, "photo": {photo.Bytes(), 384, 192, "jpeg"}, "noise": {noise(t, 1000), 384, 384, ""}} {
		got, err := Shrink(c.file)
		require.NoError(t, err, name)
		head, format, err := image.DecodeConfig(bytes.NewReader(got))
		require.NoError(t, err, name)
		assert.Equal(t, [2]int{c.width, c.height}, [2]int{head.Width, head.Height}, name)
		if c.format != "" {
			assert.Equal(t, c.format, format, name)
		}
		assert.LessOrEqual(t, len(got), maxPicture, name)
	}
	decoded, err := Shrink(wide.Bytes())
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(decoded))
	require.NoError(t, err)
	assert.InDelta(t, 200, float64(color.NRGBAModel.Convert(img.At(100, 0)).(color.NRGBA).A), 1, "transparent as it was")
	left, err := Shrink([]byte("no picture"))
	require.NoError(t, err)
	assert.Equal(t, "no picture", string(left), "left to the worker")
	var words unreadable
	_, err = Shrink(make([]byte, maxPicture+1))
	assert.ErrorAs(t, err, &words)
	_, err = Shrink(append(wide.Bytes()[:40:40], make([]byte, maxPicture)...))
	assert.ErrorAs(t, err, &words, "cut off")
}

// A worker's result that rows could not hold fails its attempt.
func TestResultsAreChecked(t *testing.T) {
	t.Parallel()
	vector := func(values ...float32) jobspec.Embedding {
		return jobspec.Embedding{Vector: jobspec.NewVector(values)}
	}
	failure := jobspec.Embedding{Failure: &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "no"}}
	encode := func(e jobspec.Embedded) json.RawMessage {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		return data
	}
	assert.NoError(t, validate(encode(jobspec.Embedded{Dimensions: 2, Vectors: []jobspec.Embedding{vector(1, 2), failure}})))
	for name, bad := range map[string]json.RawMessage{
		"no JSON": json.RawMessage("{"), "no dimensions": encode(jobspec.Embedded{}), "many dimensions": encode(jobspec.Embedded{Dimensions: 5000}),
		"short":    encode(jobspec.Embedded{Dimensions: 2, Vectors: []jobspec.Embedding{vector(1)}}),
		"NaN":      encode(jobspec.Embedded{Dimensions: 1, Vectors: []jobspec.Embedding{vector(float32(math.NaN()))}}),
		"infinity": encode(jobspec.Embedded{Dimensions: 1, Vectors: []jobspec.Embedding{vector(float32(math.Inf(-1)))}}),
		"cut":      encode(jobspec.Embedded{Dimensions: 1, Vectors: []jobspec.Embedding{{Vector: []byte{1, 2, 3}}}}),
		"NUL":      encode(jobspec.Embedded{Dimensions: 1, Vectors: []jobspec.Embedding{{Failure: &jobspec.Failure{Message: "a\x00"}}}}),
		"many":     encode(jobspec.Embedded{Dimensions: 1, Vectors: make([]jobspec.Embedding, 300)}),
	} {
		assert.Error(t, validate(bad), name)
	}
}

func TestJobsGoWhereTheirModelIs(t *testing.T) {
	t.Parallel()
	bundles := []jobspec.Bundle{
		{Kind: jobspec.KindEmbed, Pool: "a", Space: &jobspec.Space{Digest: "x"}}, {Kind: jobspec.KindEmbed, Pool: "b", Space: &jobspec.Space{Digest: "d"}},
		{Kind: jobspec.KindTranslate, Pool: "c"},
	}
	assert.Equal(t, "b", route(json.RawMessage(`{"model":"d"}`), bundles))
	assert.Empty(t, route(json.RawMessage(`{"model":"gone"}`), bundles))
	assert.Empty(t, route(json.RawMessage(`{}`), bundles))
	assert.Empty(t, route(json.RawMessage(`[]`), bundles))
}

func TestNdcgAndOverlap(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 1.0, ndcg([]string{"a", "b", "x"}, []string{"b", "a"}))
	assert.InDelta(t, 1/math.Log2(3)/(1+1/math.Log2(3)), ndcg([]string{"x", "a"}, []string{"a", "b"}), 1e-12)
	assert.Zero(t, ndcg(nil, []string{"a"}))
	assert.Equal(t, 0.5, overlap([]string{"a", "b"}, []string{"b", "c"}))
	assert.Equal(t, 0.25, overlap([]string{"a"}, []string{"a", "b", "c", "d"}))
	assert.Equal(t, 1.0, overlap(nil, nil))
}
