package sticker_test

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/sticker"
)

func counted(t *testing.T, digit int, upTo string) (integers, occurrences string) {
	t.Helper()
	c, err := sticker.CountDigit(digit, upTo)
	require.NoError(t, err, "%d up to %.40s", digit, upTo)
	return c.Integers, c.Occurrences
}

// S8: every digit, 0 too, is counted right; by brute force to 20,000.
func TestS8_DigitsAreCountedAsByHand(t *testing.T) {
	t.Parallel()
	var integers, occurrences [10]int
	for n := 1; n <= 20000; n++ {
		text := strconv.Itoa(n)
		for digit := range 10 {
			times := strings.Count(text, strconv.Itoa(digit))
			occurrences[digit] += times
			if times > 0 {
				integers[digit]++
			}
			gotIntegers, gotOccurrences := counted(t, digit, text)
			if gotIntegers != strconv.Itoa(integers[digit]) || gotOccurrences != strconv.Itoa(occurrences[digit]) {
				t.Fatalf("%d up to %d: %s integers and %s occurrences instead of %d and %d",
					digit, n, gotIntegers, gotOccurrences, integers[digit], occurrences[digit])
			}
		}
	}
}

// S8: exact where floating point is not. Up to 10^k stand k*10^(k-1) of a digit other than
// 0, one more for the 1 of 10^k; without it are 9^k numbers, 0 among them.
func TestS8_CountsAreExactUpToTenToTheThousandth(t *testing.T) {
	t.Parallel()
	power := func(base, k int64) *big.Int { return new(big.Int).Exp(big.NewInt(base), big.NewInt(k), nil) }
	for _, k := range []int64{1, 2, 17, 18, 19, 20, 77, 400, 1000} {
		upTo := power(10, k)
		occurrences := new(big.Int).Mul(big.NewInt(k), power(10, k-1))
		integers := new(big.Int).Sub(upTo, power(9, k))
		for digit := 1; digit < 10; digit++ {
			own := int64(0)
			if digit == 1 {
				own = 1
			}
			gotIntegers, gotOccurrences := counted(t, digit, upTo.String())
			assert.Equal(t, new(big.Int).Add(integers, big.NewInt(own)).String(), gotIntegers, "%d up to 10^%d", digit, k)
			assert.Equal(t, new(big.Int).Add(occurrences, big.NewInt(own)).String(), gotOccurrences, "%d up to 10^%d", digit, k)
		}
		// Without a 0 are 9 + 81 + ... + 9^k = (9^(k+1) - 9)/8. As many digits as the numbers of
		// up to k digits have in all, less those of the other nine, are zeros.
		without := new(big.Int).Sub(power(9, k+1), big.NewInt(9))
		without.Div(without, big.NewInt(8))
		gotIntegers, gotOccurrences := counted(t, 0, upTo.String())
		assert.Equal(t, new(big.Int).Sub(upTo, without).String(), gotIntegers, "0 up to 10^%d", k)
		all := big.NewInt(k + 1)
		for length := int64(1); length <= k; length++ {
			all.Add(all, new(big.Int).Mul(big.NewInt(9*length), power(10, length-1)))
		}
		others := new(big.Int).Mul(big.NewInt(9), occurrences)
		others.Add(others, big.NewInt(1))
		assert.Equal(t, all.Sub(all, others).String(), gotOccurrences, "0 up to 10^%d", k)
	}
}

func TestS8_WhatCannotBeCountedIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		digit          int
		upTo, argument string
		says           string
	}{
		{12, "10", "digit", "0 to 9"},
		{-1, "10", "digit", "0 to 9"},
		{1, "0", "upTo", "at least 1"},
		{1, "000", "upTo", "at least 1"},
		{1, "-5", "upTo", "at least 1"},
		{1, "1" + strings.Repeat("0", 999) + "01", "upTo", "10^1000"},
		{1, "1" + strings.Repeat("0", 1001), "upTo", "10^1000"},
	} {
		_, err := sticker.CountDigit(c.digit, c.upTo)
		require.True(t, apperr.Is(err, apperr.BadInput), "%d up to %.40s: %v", c.digit, c.upTo, err)
		require.Equal(t, []string{c.argument}, apperr.List(err)[0].Path)
		require.ErrorContains(t, err, c.says)
	}
	_, err := sticker.CountDigit(1, "1x")
	require.Error(t, err)
}

func TestZerosInFrontOfANumberMeanNothing(t *testing.T) {
	t.Parallel()
	integers, occurrences := counted(t, 0, "000105")
	assert.Equal(t, "15", integers)
	assert.Equal(t, "16", occurrences)
}

func BenchmarkCountDigit(b *testing.B) {
	for _, upTo := range []string{"20000", "1" + strings.Repeat("0", 20), "1" + strings.Repeat("0", 1000)} {
		b.Run("digits="+strconv.Itoa(len(upTo)), func(b *testing.B) {
			for b.Loop() {
				if _, err := sticker.CountDigit(7, upTo); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
