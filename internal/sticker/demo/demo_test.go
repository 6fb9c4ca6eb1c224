package demo_test

import (
	"bytes"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"parley/internal/sticker"
	"parley/internal/sticker/demo"
)

func TestEveryStickerOfTheSetHasAPictureAndWords(t *testing.T) {
	t.Parallel()
	all := map[string]sticker.Shipped{}
	tags := 0
	for one, err := range demo.Stickers() {
		require.NoError(t, err)
		require.NotContains(t, all, one.Name)
		all[one.Name] = one
		p, err := png.DecodeConfig(bytes.NewReader(one.File))
		require.NoError(t, err, one.Name)
		require.Equal(t, []int{72, 72}, []int{p.Width, p.Height})
		require.NotEmpty(t, one.Caption)
		require.Equal(t, demo.Licence, one.Licence)
		require.LessOrEqual(t, len(one.Tags), sticker.MaxTags)
		tags += len(one.Tags)
	}
	require.Len(t, all, demo.Count)
	require.Greater(t, tags, 3*demo.Count)
	require.Equal(t, "red apple", all["red-apple.png"].Caption)
	require.Contains(t, all["red-apple.png"].Tags, "fruit")
	require.Contains(t, all, "pinata.png")
	require.Contains(t, all, "keycap-0023-fe0f-20e3.png")
}

func TestWhoStopsReadingGetsNoMore(t *testing.T) {
	t.Parallel()
	n := 0
	for _, err := range demo.Stickers() {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}

func TestTheNoticesAreKept(t *testing.T) {
	t.Parallel()
	notices, err := os.ReadFile("LICENSES.md")
	require.NoError(t, err)
	for _, holder := range []string{"Microsoft Corporation", "Miles Johnson", "Unicode, Inc."} {
		require.Contains(t, string(notices), holder)
		require.Contains(t, demo.Licence, holder)
	}
	require.LessOrEqual(t, len(demo.Licence), sticker.MaxLicence)
}

func TestTheLanguagesOfTheTestsAreOfTheSameStickers(t *testing.T) {
	t.Parallel()
	packed, err := os.ReadFile("testdata/languages.tsv.zst")
	require.NoError(t, err)
	z, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer z.Close()
	table, err := z.DecodeAll(packed, nil)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")
	require.Equal(t, "id\temoji\tsplit\tlabel_en\ttags_en\tlabel_es\ttags_es\tlabel_fr\ttags_fr\tlabel_de\ttags_de\tlabel_pt\ttags_pt\tlabel_it\ttags_it", lines[0])
	require.Len(t, lines, demo.Count+1)
	i := 1
	for one, err := range demo.Stickers() {
		require.NoError(t, err)
		cells := strings.Split(lines[i], "\t")
		require.Equal(t, []string{one.Caption, strings.Join(one.Tags, "|")}, cells[3:5])
		i++
	}
}
