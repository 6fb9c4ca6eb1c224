package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pack writes a row's codes as the package says.
func pack(row, codes []byte) {
	for i := range len(codes) / 2 {
		row[i] = codes[i] | codes[len(codes)/2+i]<<4
	}
}

// check packs rows, multiplies them in a random order, some of them twice, in
// every form, and compares with the definition.
func check(t *testing.T, codes [][]byte, query []int8, random *rand.Rand) {
	t.Helper()
	half := len(query) / 2
	// One byte more in front leaves the rows at odd addresses.
	rows := make([]byte, 1+len(codes)*half)[1:]
	for i, c := range codes {
		pack(rows[i*half:], c)
	}
	list := make([]uint16, 1+random.IntN(2*len(codes)))
	want := make([]int32, len(list))
	for i := range list {
		list[i] = uint16(random.IntN(len(codes)))
		for j, c := range codes[list[i]] {
			want[i] += int32(c) * int32(query[j])
		}
	}
	q, err := NewQuery(append(make([]int8, 1), query...)[1:])
	require.NoError(t, err)
	for _, f := range Forms() {
		out := make([]int32, len(list)+1)
		out[len(list)] = 12345
		f.Dots(out, rows, list, q)
		require.Equal(t, want, out[:len(list)], "%s, %d codes", f.Name, len(query))
		require.Equal(t, int32(12345), out[len(list)], "%s wrote beyond the rows", f.Name)
	}
}

func TestEveryFormGivesTheSameIntegers(t *testing.T) {
	t.Parallel()
	forms := Forms()
	require.Equal(t, "portable", forms[len(forms)-1].Name)
	random := rand.New(rand.NewPCG(1, 2))
	for n := Step; n <= MaxCodes; n += Step {
		codes, query := make([][]byte, 1+random.IntN(9)), make([]int8, n)
		for i := range codes {
			codes[i] = make([]byte, n)
			for j := range codes[i] {
				codes[i][j] = byte(random.UintN(16))
			}
		}
		for i := range query {
			query[i] = int8(random.IntN(256) - 128)
		}
		check(t, codes, query, random)
	}
}

func TestTheLargestCodesDoNotOverflow(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{Step, 3 * Step, MaxCodes} {
		for _, code := range []byte{0, 1, 8, 15} {
			for _, with := range []int8{-128, -127, -1, 1, 127} {
				codes, query := make([]byte, n), make([]int8, n)
				for i := range codes {
					codes[i], query[i] = code, with
				}
				check(t, [][]byte{codes, codes}, query, random)
			}
		}
	}
}

func TestRowsOutsideAreAPanicAndNotARead(t *testing.T) {
	t.Parallel()
	q, err := NewQuery(make([]int8, Step))
	require.NoError(t, err)
	for _, f := range Forms() {
		assert.Panics(t, func() { f.Dots(make([]int32, 1), make([]byte, Step), []uint16{2}, q) }, f.Name)
		assert.Panics(t, func() { f.Dots(make([]int32, 1), make([]byte, Step), []uint16{0, 1}, q) }, f.Name)
		assert.NotPanics(t, func() { f.Dots(nil, nil, nil, q) }, f.Name)
	}
}

func TestQueriesOfOtherLengthsAreRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 64, 127, 129, 200, MaxCodes + Step} {
		_, err := NewQuery(make([]int8, n))
		assert.ErrorContains(t, err, fmt.Sprintf("a query of %d codes", n))
	}
}

func TestEveryDimensionFillsItsLastStep(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 7))
	for n := 1; n <= MaxCodes; n++ {
		require.GreaterOrEqual(t, Codes(n), n)
		require.Less(t, Codes(n)-n, Step)
		if n > 3*Step && n%97 != 0 {
			continue
		}
		// What a row is filled up with counts nothing against a query's zeros.
		codes, query := make([]byte, Codes(n)), make([]int8, Codes(n))
		for i := range codes {
			codes[i] = byte(random.UintN(16))
		}
		for i := range n {
			query[i] = int8(random.IntN(255) - 127)
		}
		check(t, [][]byte{codes}, query, random)
	}
}

func FuzzForms(f *testing.F) {
	f.Add([]byte{0, 15, 8}, []byte{128, 127}, uint8(1), uint64(1))
	f.Add([]byte{15}, []byte{128}, uint8(31), uint64(2))
	f.Fuzz(func(t *testing.T, rowBytes, queryBytes []byte, steps uint8, seed uint64) {
		if len(rowBytes) == 0 || len(queryBytes) == 0 {
			return
		}
		n := (int(steps)%(MaxCodes/Step) + 1) * Step
		codes, query := make([][]byte, 3), make([]int8, n)
		for i := range codes {
			codes[i] = make([]byte, n)
			for j := range codes[i] {
				codes[i][j] = rowBytes[(i+j)%len(rowBytes)] & 15
			}
		}
		for i := range query {
			query[i] = int8(queryBytes[i%len(queryBytes)])
		}
		check(t, codes, query, rand.New(rand.NewPCG(seed, 5)))
	})
}

// 1,024 rows of 384 codes are in the second cache, a million come from memory.
func BenchmarkDots(b *testing.B) {
	for _, rows := range []int{1024, 1_000_000} {
		for _, f := range Forms() {
			b.Run(fmt.Sprintf("%d/%s", rows, f.Name), func(b *testing.B) {
				const codes = 384
				all := make([]byte, rows*codes/2)
				for i := range all {
					all[i] = byte(i * 7)
				}
				list, out := make([]uint16, 1024), make([]int32, 1024)
				for i := range list {
					list[i] = uint16(i)
				}
				q, err := NewQuery(make([]int8, codes))
				require.NoError(b, err)
				b.SetBytes(1024 * codes / 2)
				at := 0
				for b.Loop() {
					f.Dots(out, all[at*codes/2:], list, q)
					if at += 1024; at+1024 > rows {
						at = 0
					}
				}
			})
		}
	}
}
