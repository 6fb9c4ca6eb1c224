package vector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLoad reads any bytes as a file, as they are and with a checksum of the head
// that is right. What is taken must be an index that saves to the same bytes but
// for the ways in which a number can be written longer than needed.
func FuzzLoad(f *testing.F) {
	cfg := Config{Dimension: 3, Model: Model{Name: "m", Digest: "d"}}
	x, err := New(cfg)
	require.NoError(f, err)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 5 {
		v := []float32{random.Float32(), random.Float32(), 1}
		require.NoError(f, x.Put(f.Context(), Row{ID: fmt.Sprint(i), Vector: v, Labels: []string{"a", fmt.Sprint("b", i)}}))
	}
	var whole bytes.Buffer
	require.NoError(f, x.write(&whole, "position"))
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:40])
	f.Add([]byte("PARLEYV1\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tryLoad(t, cfg, raw)
		if len(raw) < 16 {
			return
		}
		sealed := bytes.Clone(raw)
		if n := int64(binary.LittleEndian.Uint32(raw[8:])); 12+n+4 <= int64(len(raw)) {
			binary.LittleEndian.PutUint32(sealed[12+n:], crc32.Checksum(sealed[12:12+n], castagnoli))
		}
		tryLoad(t, cfg, sealed)
	})
}

func tryLoad(t *testing.T, cfg Config, raw []byte) {
	t.Helper()
	x, err := New(cfg)
	require.NoError(t, err)
	position, err := x.load(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		require.True(t, errors.Is(err, ErrFile) || errors.Is(err, ErrModel), "%v", err)
		return
	}
	hits, err := x.Search(t.Context(), Query{Vector: []float32{1, 2, 3}, K: MaxHits})
	require.NoError(t, err)
	require.Len(t, hits, min(x.now.rows, MaxHits))
	var again bytes.Buffer
	require.NoError(t, x.write(&again, position))
	require.LessOrEqual(t, again.Len(), len(raw))
}
