package sticker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image/gif"
	"image/png"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/media"
	"parley/internal/sticker"
)

// withText gives a PNG file a chunk of text, as cameras and editors do.
func withText(file []byte, text string) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	body := append([]byte("tEXt"), text...)
	chunk = binary.BigEndian.AppendUint32(append(chunk, body...), crc32.ChecksumIEEE(body))
	const behindHeader = 33
	return bytes.Join([][]byte{file[:behindHeader], chunk, file[behindHeader:]}, nil)
}

// bomb is a PNG file of few bytes that says it has very many pixels.
func bomb(t testing.TB) []byte {
	file := picture(t, 1)
	binary.BigEndian.PutUint32(file[16:], 20_000)
	binary.BigEndian.PutUint32(file[20:], 20_000)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func TestEveryFileHasItsOwnResultInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		p, err := png.Decode(bytes.NewReader(picture(t, 7)))
		require.NoError(t, err)
		var moving bytes.Buffer
		require.NoError(t, gif.Encode(&moving, p, nil))
		secret := withText(picture(t, 9), "Location\x0048.85 N 2.35 E")
		contents := map[string][]byte{
			"red-apple.png": picture(t, 1), "none.png": []byte("I am a picture"), "bomb.png": bomb(t), "cut.png": picture(t, 2)[:60],
			"heavy.png": make([]byte, media.MaxBytes+1), "moving.gif": moving.Bytes(), "camera.png": secret, "RED-APPLE.PNG": picture(t, 3), "": picture(t, 4),
		}
		names := []string{"red-apple.png", "none.png", "bomb.png", "cut.png", "heavy.png", "moving.gif", "camera.png", "RED-APPLE.PNG", ""}
		in := sticker.AddInput{Visibility: sticker.Private, Licence: ptr("MIT")}
		for i, name := range names {
			in.Files = append(in.Files, sticker.File{Name: "C:\\my pictures/" + name, Content: bytes.NewReader(contents[name])})
			in.Captions = append(in.Captions, " caption "+strconv.Itoa(i))
			in.Tags = append(in.Tags, []string{"fruit", " Fruit", strconv.Itoa(i)})
		}
		got, err := r.Add(as(t, owner), in)
		require.NoError(t, err)
		require.Equal(t, []string{"red-apple.png", "BAD_INPUT", "TOO_LARGE", "BAD_INPUT", "TOO_LARGE", "moving.gif", "camera.png", "CONFLICT", "BAD_INPUT"}, outcomes(got))
		for i, one := range got.Results {
			if one.Err != nil {
				require.Equal(t, []string{"input", "files", strconv.Itoa(i)}, apperr.List(one.Err)[0].Path)
			}
		}
		first, err := r.Get(as(t, owner), got.Results[0].Sticker.ID)
		require.NoError(t, err)
		require.Equal(t, []any{"caption 0", []string{"fruit", "0"}, "MIT", sticker.Private, 8, 6, false, int64(1)},
			[]any{first.Caption, first.Tags, *first.Licence, first.SeenBy(), first.Width(), first.Height(), first.System(), first.Version})
		require.Contains(t, first.URL, "signature=")

		kept, err := io.ReadAll(r.media.Open(t.Context(), got.Results[6].Sticker.Picture))
		require.NoError(t, err)
		require.NotContains(t, string(kept), "48.85", "metadata")
		require.Equal(t, 3, r.count("media"), "what was refused has no picture")
		require.Equal(t, 3, r.count("stickers"))
	})
}

func TestACallThatCantBeIsRefusedAsAWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		many := make([]string, sticker.MaxFiles+1)
		for i := range many {
			many[i] = strconv.Itoa(i)
		}
		heavy := make([]sticker.File, 9)
		for i := range heavy {
			heavy[i] = sticker.File{Name: strconv.Itoa(i), Content: bytes.NewReader(make([]byte, media.MaxBytes))}
		}
		for name, c := range map[string]struct {
			in   sticker.AddInput
			code apperr.Code
			path []string
		}{
			"none":          {sticker.AddInput{}, apperr.BadInput, []string{"input", "files"}},
			"too many":      {sticker.AddInput{Files: files(t, many...)}, apperr.BadInput, []string{"input", "files"}},
			"too heavy":     {sticker.AddInput{Files: heavy}, apperr.TooLarge, []string{"input", "files"}},
			"captions":      {sticker.AddInput{Files: files(t, "a"), Captions: []string{}}, apperr.BadInput, []string{"input", "captions"}},
			"tags":          {sticker.AddInput{Files: files(t, "a"), Tags: [][]string{{}, {}}}, apperr.BadInput, []string{"input", "tags"}},
			"licence":       {sticker.AddInput{Files: files(t, "a"), Licence: ptr(strings.Repeat("ü", 2001))}, apperr.BadInput, []string{"input", "licence"}},
			"key":           {sticker.AddInput{Files: files(t, "a"), IdempotencyKey: ptr("")}, apperr.BadInput, []string{"input", "idempotencyKey"}},
			"public by all": {sticker.AddInput{Files: files(t, "a"), Visibility: sticker.Public}, apperr.Forbidden, []string{"input", "visibility"}},
		} {
			if c.in.Visibility == "" {
				c.in.Visibility = sticker.Private
			}
			_, err := r.Add(as(t, owner), c.in)
			require.Error(t, err, name)
			refused(t, err, c.code, c.path...)
		}
		_, err := r.Add(t.Context(), sticker.AddInput{Files: files(t, "a"), Visibility: sticker.Private})
		refused(t, err, apperr.Unauthenticated)
		require.Zero(t, r.count("stickers"))
		long := r.added(as(t, owner), sticker.AddInput{Files: files(t, "a"), Visibility: sticker.Private, Licence: ptr(strings.Repeat("ü", 2000))})[0]
		require.Len(t, []rune(*long.Licence), 2000)
	})
}

func TestWordsThatCantBeAreRefusedForTheirFileAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for name, c := range map[string]struct {
			name, caption string
			tags          []string
			field         string
		}{
			"control character in the name": {"a\x1bb.png", "", nil, "files"},
			"NUL in the name":               {"a\x00b.png", "", nil, "files"},
			"broken name":                   {"a\xff.png", "", nil, "files"},
			"a folder for a name":           {"pictures/..", "", nil, "files"},
			"long name":                     {strings.Repeat("a", 256), "", nil, "files"},
			"a name that unfolds":           {strings.Repeat("\ufdfa", 85), "", nil, "files"},
			"long caption":                  {"a", strings.Repeat("ü", 501), nil, "captions"},
			"line in the caption":           {"a", "a\nb", nil, "captions"},
			"many tags":                     {"a", "", make([]string, 33), "tags"},
			"long tag":                      {"a", "", []string{strings.Repeat("ü", 65)}, "tags"},
			"empty tag":                     {"a", "", []string{" "}, "tags"},
			"broken tag":                    {"a", "", []string{"\xff"}, "tags"},
		} {
			in := sticker.AddInput{Files: files(t, c.name, "fine of "+name), Captions: []string{c.caption, ""}, Tags: [][]string{c.tags, nil}, Visibility: sticker.Private}
			got, err := r.Add(as(t, owner), in)
			require.NoError(t, err, name)
			refused(t, got.Results[0].Err, apperr.BadInput, "input", c.field, "0")
			assert.NoError(t, got.Results[1].Err, name)
		}
		most := r.added(as(t, owner), sticker.AddInput{
			Files: files(t, strings.Repeat("a", 255)), Captions: []string{strings.Repeat("ü", 500)}, Tags: [][]string{{strings.Repeat("ü", 64)}}, Visibility: sticker.Private,
		})[0]
		require.Len(t, most.Name, 255)
	})
}

func TestNamesAreUniqueInTheirScopeWhateverTheCase(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.private(owner, "Straße.png")
		r.private(stranger, "strasse.png")
		r.public("STRASSE.PNG")
		for who, c := range map[string]struct {
			in  sticker.AddInput
			who context.Context
		}{
			"owner": {sticker.AddInput{Files: files(t, "STRASSE.png"), Visibility: sticker.Private}, as(t, owner)},
			"admin": {sticker.AddInput{Files: files(t, "ſtraße．ｐｎｇ"), Visibility: sticker.Public}, admin(t)},
		} {
			got, err := r.Add(c.who, c.in)
			require.NoError(t, err)
			require.Equal(t, []string{"CONFLICT"}, outcomes(got), who)
		}
		require.Equal(t, 3, r.count("media"))
	})
}

// Every call adds the same names in another order.
func TestOfCallsThatRaceForNamesOneGetsEach(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const calls = 6
		names := []string{"a.png", "b.png", "c.png", "d.png"}
		var mu sync.Mutex
		won, lost := map[string]int{}, 0
		var wait sync.WaitGroup
		for i := range calls {
			order := append(append([]string{}, names[i%4:]...), names[:i%4]...)
			in := sticker.AddInput{Files: files(t, order...), Visibility: sticker.Public}
			wait.Go(func() {
				got, err := r.Add(admin(t), in)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, o := range outcomes(got) {
					if o == "CONFLICT" {
						lost++
					} else {
						won[o]++
					}
				}
			})
		}
		wait.Wait()
		require.Equal(t, map[string]int{"a.png": 1, "b.png": 1, "c.png": 1, "d.png": 1}, won)
		require.Equal(t, (calls-1)*len(names), lost)
		require.Equal(t, len(names), r.count("media"))
	})
}

func TestARepeatedCallGivesTheFirstOnesResults(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		call := func(caption string, names ...string) (*sticker.Added, error) {
			in := sticker.AddInput{Files: files(t, names...), Visibility: sticker.Private, IdempotencyKey: ptr("k"), Captions: make([]string, len(names))}
			in.Captions[0] = caption
			return r.Add(as(t, owner), in)
		}
		first, err := call("", "a.png", "b.png", "A.png")
		require.NoError(t, err)
		require.Equal(t, []string{"a.png", "b.png", "CONFLICT"}, outcomes(first))
		_, err = r.Delete(as(t, owner), first.Results[1].Sticker.ID)
		require.NoError(t, err)
		again, err := call("", "a.png", "b.png", "A.png")
		require.NoError(t, err)
		require.Equal(t, []string{"a.png", "NOT_FOUND", "CONFLICT"}, outcomes(again))
		require.Equal(t, first.Results[0].Sticker.ID, again.Results[0].Sticker.ID)
		require.Equal(t, first.Results[2].Err.Error(), again.Results[2].Err.Error())
		require.Equal(t, first.Cursor, again.Cursor)
		_, err = call("another", "a.png", "b.png", "A.png")
		refused(t, err, apperr.IdempotencyMismatch)
		_, err = call("", "a.png", "c.png", "A.png")
		refused(t, err, apperr.IdempotencyMismatch)
		require.Equal(t, 1, r.count("stickers"))
	})
}

func TestRacingRepeatsAddOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		ids := make([]string, 5)
		var wait sync.WaitGroup
		for i := range ids {
			in := sticker.AddInput{Files: files(t, "a.png"), Visibility: sticker.Private, IdempotencyKey: ptr("k")}
			wait.Go(func() {
				got, err := r.Add(as(t, owner), in)
				if assert.NoError(t, err) && assert.NoError(t, got.Results[0].Err) {
					ids[i] = got.Results[0].Sticker.ID
				}
			})
		}
		wait.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
		require.Equal(t, 1, r.count("stickers"))
	})
}

func TestAReaderThatBreaksFailsTheCallAndAddsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := sticker.AddInput{Files: files(t, "a.png", "b.png"), Visibility: sticker.Private}
		in.Files[1].Content = io.MultiReader(bytes.NewReader([]byte("x")), failing{})
		_, err := r.Add(as(t, owner), in)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Zero(t, r.count("stickers"))
		require.Zero(t, r.count("media"))
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
