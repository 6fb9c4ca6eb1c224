package vector_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/vector"
	"parley/internal/vector/vectortest"
)

var fileConfig = vector.Config{Dimension: 20, Model: vector.Model{Name: "sticker-mini", Digest: "sha256:1f"}}

func TestALoadedIndexIsTheOneThatWasSaved(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, 1, 1023, 1024, 1025, 5000} {
		random, reference := vectortest.NewRandom(uint64(count)), vectortest.NewReference()
		x := open(t, fileConfig)
		rows := random.Rows(count, 20)
		require.NoError(t, x.Put(t.Context(), rows...))
		reference.Put(rows...)
		for _, r := range rows[:count/3] {
			require.NoError(t, x.Delete(t.Context(), r.ID))
			reference.Delete(r.ID)
		}
		path := filepath.Join(t.TempDir(), "index")
		require.NoError(t, x.Save(path, "epoch:17"))
		onDisk := fileConfig
		onDisk.Folder = t.TempDir()
		for _, cfg := range []vector.Config{fileConfig, onDisk} {
			loaded, position, err := vector.Load(path, cfg)
			require.NoError(t, err)
			assert.Equal(t, "epoch:17", position)
			n, err := loaded.Len(t.Context())
			require.NoError(t, err)
			assert.Equal(t, reference.Len(), n)
			for _, filter := range []vector.Filter{nil, {{"owner:5"}, {"kind:note", "kind:post"}}} {
				q := vector.Query{Vector: random.Vector(20), K: 30, Filter: filter}
				agree(t, loaded, reference, q)
				want, err := x.Search(t.Context(), q)
				require.NoError(t, err)
				hits, err := loaded.Search(t.Context(), q)
				require.NoError(t, err)
				assert.Equal(t, want, hits)
			}
			assert.Equal(t, fileOf(t, x), fileOf(t, loaded))
			// It goes on changing as the first would.
			require.NoError(t, loaded.Put(t.Context(), vector.Row{ID: "new", Vector: random.Vector(20), Labels: []string{"owner:5"}}))
			for _, r := range rows {
				require.NoError(t, loaded.Delete(t.Context(), r.ID))
			}
			n, err = loaded.Len(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			require.NoError(t, loaded.Close())
		}
	}
}

func TestAFileOfAnotherModelIsRefused(t *testing.T) {
	t.Parallel()
	x, random := open(t, fileConfig), vectortest.NewRandom(1)
	require.NoError(t, x.Put(t.Context(), random.Rows(10, 20)...))
	path := filepath.Join(t.TempDir(), "index")
	require.NoError(t, x.Save(path, ""))
	for _, cfg := range []vector.Config{
		{Dimension: 20, Model: vector.Model{Name: "other", Digest: "sha256:1f"}},
		{Dimension: 20, Model: vector.Model{Name: "sticker-mini", Digest: "sha256:20"}},
		{Dimension: 20},
		{Dimension: 21, Model: fileConfig.Model},
	} {
		_, _, err := vector.Load(path, cfg)
		require.ErrorIs(t, err, vector.ErrModel)
		require.NotErrorIs(t, err, vector.ErrFile)
		require.ErrorContains(t, err, "sticker-mini")
	}
	_, _, err := vector.Load(path+"-none", fileConfig)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, x.Save(path, strings.Repeat("p", 1025)), vector.ErrInvalid)
}

func TestASaveReplacesTheFileInOneStepOrNotAtAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "index")
	x, random := open(t, fileConfig), vectortest.NewRandom(2)
	require.NoError(t, x.Put(t.Context(), random.Rows(2000, 20)...))
	require.NoError(t, x.Save(path, "first"))
	var group sync.WaitGroup
	group.Go(func() { // readers at any moment find a whole file
		for range 20 {
			loaded, _, err := vector.Load(path, fileConfig)
			if assert.NoError(t, err) {
				assert.NoError(t, loaded.Close())
			}
		}
	})
	for range 10 {
		require.NoError(t, x.Put(t.Context(), vector.Row{ID: "z", Vector: random.Vector(20)}))
		require.NoError(t, x.Save(path, "again"))
	}
	group.Wait()
	require.Error(t, x.Save(filepath.Join(folder, "none", "index"), ""))
	require.Error(t, x.Save(folder, ""), "a folder is no file")
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1, "something was left behind")
}

// small is a file with a few rows.
func small(t testing.TB) []byte {
	t.Helper()
	x, random := open(t, vector.Config{Dimension: 3, Model: fileConfig.Model}), vectortest.NewRandom(3)
	require.NoError(t, x.Put(t.Context(), random.Rows(5, 3)...))
	path := filepath.Join(t.TempDir(), "index")
	require.NoError(t, x.Save(path, "pos"))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

func loadBytes(t testing.TB, folder string, raw []byte) error {
	t.Helper()
	path := filepath.Join(folder, "index")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	x, _, err := vector.Load(path, vector.Config{Dimension: 3, Model: fileConfig.Model})
	if err == nil {
		_, err := x.Search(t.Context(), vector.Query{Vector: []float32{1, 2, 3}, K: 9})
		require.NoError(t, err)
		require.NoError(t, x.Close())
	}
	return err
}

func TestEveryDamageOfAFileIsSeen(t *testing.T) {
	t.Parallel()
	raw, folder := small(t), t.TempDir()
	require.NoError(t, loadBytes(t, folder, raw))
	for i := range raw {
		require.ErrorIs(t, loadBytes(t, folder, raw[:i]), vector.ErrFile, "cut off after %d bytes", i)
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1 << (i % 8)
		require.ErrorIs(t, loadBytes(t, folder, damaged), vector.ErrFile, "byte %d", i)
	}
	require.ErrorIs(t, loadBytes(t, folder, append(bytes.Clone(raw), 0)), vector.ErrFile)
}

// sealed makes the checksum of a file's head right again, which whoever means
// harm can do as well.
func sealed(raw []byte) []byte {
	length := int(binary.LittleEndian.Uint32(raw[8:]))
	if 12+length+4 <= len(raw) {
		sum := crc32.Checksum(raw[12:12+length], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(raw[12+length:], sum)
	}
	return raw
}

func TestFilesThatMeanHarmAreRefused(t *testing.T) {
	t.Parallel()
	raw, folder := small(t), t.TempDir()
	length := int(binary.LittleEndian.Uint32(raw[8:]))
	for i := 12; i < 12+length; i++ {
		for _, to := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			if raw[i] == to {
				continue
			}
			harmful := bytes.Clone(raw)
			harmful[i] = to
			// What reads as another index is one; nothing panics.
			if err := loadBytes(t, folder, sealed(harmful)); err != nil {
				require.True(t, isRefusal(err), "byte %d: %v", i, err)
			}
		}
	}
	long := bytes.Clone(raw)
	binary.LittleEndian.PutUint32(long[8:], 1<<31)
	require.ErrorIs(t, loadBytes(t, folder, long), vector.ErrFile)
}

func isRefusal(err error) bool {
	return errors.Is(err, vector.ErrFile) || errors.Is(err, vector.ErrModel)
}
