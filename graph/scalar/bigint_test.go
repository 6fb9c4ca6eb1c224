package scalar_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"parley/graph/scalar"
	"parley/internal/apperr"
)

func TestBigIntsAreDecimalStrings(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, -1, 42, 1 << 53, 1<<53 + 1, -1<<53 - 1, math.MaxInt32 + 1, math.MaxInt64, math.MinInt64} {
		digits := strconv.FormatInt(n, 10)
		if got := written(t, scalar.MarshalBigInt(n)); got != digits {
			t.Errorf("%d is written as %q", n, got)
		}
		if got := written(t, scalar.MarshalBigIntText(digits)); got != digits {
			t.Errorf("%s is written as %q", digits, got)
		}
		for _, v := range []any{digits, json.Number(digits), n, int(n)} { // as variables and literals come
			if got, err := scalar.UnmarshalBigInt(v); err != nil || got != n {
				t.Errorf("%T %v is read as %d, %v", v, v, got, err)
			}
			if got, err := scalar.UnmarshalBigIntText(v); err != nil || got != digits {
				t.Errorf("%T %v is read as %q, %v", v, v, got, err)
			}
		}
	}
}

func TestNumbersBeyondSixtyFourBitsAreRefusedByOne(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"9223372036854775808", "-9223372036854775809", "18446744073709551616", strings.Repeat("9", 100)} {
		if _, err := scalar.UnmarshalBigInt(s); !apperr.Is(err, apperr.BadInput) || !strings.Contains(err.Error(), "beyond 64 bits") {
			t.Errorf("%s: %v", s, err)
		}
		if got, err := scalar.UnmarshalBigIntText(json.Number(s)); err != nil || got != s {
			t.Errorf("as text %s: %q, %v", s, got, err)
		}
	}
}

func TestWhatIsNoWholeNumberIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		"", " ", "-", "--1", "+1", " 1", "1 ", "1.0", "1.5", "1e3", "0x10", "1_000", "1,000", "NaN", "Infinity", "١٢٣", "１２", "1\x00", "1\n", "x",
		strings.Repeat("9", 101), json.Number("1.5"), json.Number("1e3"), 1.0, 1.5, true, nil, []any{"1"}, map[string]any{}, uint64(1),
	} {
		if got, err := scalar.UnmarshalBigInt(v); got != 0 || !apperr.Is(err, apperr.BadInput) {
			t.Errorf("%T %.20v: %d, %v", v, v, got, err)
		}
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
			if !apperr.Is(err, apperr.BadInput) || !apperr.Is(errSmall, apperr.BadInput) {
				t.Fatalf("%q: %v, %v", in, err, errSmall)
			}
			return
		}
		want, ok := new(big.Int).SetString(in, 10)
		if !ok || len(text) > 101 || text != in || written(t, scalar.MarshalBigIntText(text)) != in {
			t.Fatalf("%q is taken as %q", in, text)
		}
		if want.IsInt64() != (errSmall == nil) || errSmall == nil && (n != want.Int64() || written(t, scalar.MarshalBigInt(n)) != want.String()) {
			t.Fatalf("%q is read as %d, %v", in, n, errSmall)
		}
	})
}
