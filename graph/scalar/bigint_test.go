package scalar_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/graph/scalar"
	"parley/internal/apperr"
)

func TestBigIntsAreDecimalStrings(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, -1, 42, 1 << 53, 1<<53 + 1, -1<<53 - 1, math.MaxInt32 + 1, math.MaxInt64, math.MinInt64} {
		digits := strconv.FormatInt(n, 10)
		assert.Equal(t, digits, written(t, scalar.MarshalBigInt(n)), "%d", n)
		assert.Equal(t, digits, written(t, scalar.MarshalBigIntText(digits)))
		for _, v := range []any{digits, json.Number(digits), n, int(n)} { // as variables and literals come
			got, err := scalar.UnmarshalBigInt(v)
			assert.NoError(t, err, "%T %v", v, v)
			assert.Equal(t, n, got, "%T %v", v, v)
			if got, err := scalar.UnmarshalBigIntText(v); err != nil || got != digits {
				t.Errorf("%T %v is read as %q, %v", v, v, got, err)
			}
		}
	}
}

func TestNumbersBeyondSixtyFourBitsAreRefusedByOne(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"9223372036854775808", "-9223372036854775809", "18446744073709551616", strings.Repeat("9", 1100)} {
		_, err := scalar.UnmarshalBigInt(s)
		assert.True(t, apperr.Is(err, apperr.BadInput), "%s: %v", s, err)
		assert.ErrorContains(t, err, "beyond 64 bits", s)
		got, err := scalar.UnmarshalBigIntText(json.Number(s))
		assert.NoError(t, err, "as text %s: %q", s, got)
		assert.Equal(t, s, got, "as text %s: %q", s, got)
	}
}

func TestWhatIsNoWholeNumberIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		"", " ", "-", "--1", "+1", " 1", "1 ", "1.0", "1.5", "1e3", "0x10", "1_000", "1,000", "NaN", "Infinity", "١٢٣", "１２", "1\x00", "1\n", "x",
		strings.Repeat("9", 1101), json.Number("1.5"), json.Number("1e3"), 1.0, 1.5, true, nil, []any{"1"}, map[string]any{}, uint64(1),
	} {
		got, err := scalar.UnmarshalBigInt(v)
		assert.Zero(t, got, "%T %.20v, %v", v, v, err)
		assert.True(t, apperr.Is(err, apperr.BadInput), "%T %.20v: %d, %v", v, v, got, err)
		if got, err := scalar.UnmarshalBigIntText(v); got != "" || !apperr.Is(err, apperr.BadInput) {
			t.Errorf("as text %T %.20v: %q, %v", v, v, got, err)
		}
	}
}

// A number that is taken is the one that was meant.
func FuzzBigInt(f *testing.F) {
	for _, s := range []string{"0", "-0", "007", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.0", "1e3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		text, err := scalar.UnmarshalBigIntText(in)
		n, errSmall := scalar.UnmarshalBigInt(json.Number(in))
		if err != nil {
			require.True(t, apperr.Is(err, apperr.BadInput), "%q: %v, %v", in, err, errSmall)
			require.True(t, apperr.Is(errSmall, apperr.BadInput), "%q: %v, %v", in, err, errSmall)
			return
		}
		want, ok := new(big.Int).SetString(in, 10)
		require.True(t, ok, "%q is taken as %q", in, text)
		require.LessOrEqual(t, len(text), 1101)
		require.Equal(t, in, text)
		require.Equal(t, in, written(t, scalar.MarshalBigIntText(text)))
		require.False(t, want.IsInt64() != (errSmall == nil) || errSmall == nil && (n != want.Int64() || written(t, scalar.MarshalBigInt(n)) != want.String()),
			"%q is read as %d, %v", in, n, errSmall)
	})
}
