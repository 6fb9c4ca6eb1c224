// Package sticker keeps stickers: pictures with names, captions and tags. It also counts
// digits, as the system before parley did.
package sticker

import (
	"fmt"
	"math/big"
	"strings"

	"parley/internal/apperr"
)

// mostZeros is how many zeros follow the 1 of the greatest number that is counted up to.
const mostZeros = 1000

// DigitCount is how often a digit occurs in the whole numbers from 1 to a limit.
type DigitCount struct {
	// Integers is the number of whole numbers that contain the digit, Occurrences how
	// often it stands in all of them together; both in decimal digits.
	Integers, Occurrences string
}

// CountDigit counts a digit, 0 to 9, in the numbers from 1 to upTo, which is given in
// decimal digits and at most 10^1000. Zeros in front of a number do not count. Its time
// is quadratic in the number of digits, well below a millisecond for the longest.
func CountDigit(digit int, upTo string) (*DigitCount, error) {
	if digit < 0 || digit > 9 {
		return nil, apperr.Argument("digit", "A digit is 0 to 9, not %d.", digit)
	}
	if strings.HasPrefix(upTo, "-") {
		return nil, apperr.Argument("upTo", "Numbers are counted from 1 on: upTo must be at least 1.")
	}
	number := strings.TrimLeft(upTo, "0")
	switch {
	case number == "":
		return nil, apperr.Argument("upTo", "Numbers are counted from 1 on: upTo must be at least 1.")
	case len(number) > mostZeros+1, len(number) == mostZeros+1 && number != "1"+strings.Repeat("0", mostZeros):
		return nil, apperr.Argument("upTo", "Numbers are counted up to 10^%d.", mostZeros)
	case strings.Trim(number, "0123456789") != "":
		return nil, fmt.Errorf("count digits: %.40q is no number", upTo)
	}
	t := tally{digit: int64(digit), free: new(big.Int), below: new(big.Int), number: new(big.Int), shorter: new(big.Int)}
	for _, c := range []byte(number) {
		t.append(int64(c - '0'))
	}
	return &DigitCount{Integers: t.integers().String(), Occurrences: t.occurrences().String()}, nil
}

// tally counts a digit up to a number whose own digits are appended to it one by one.
type tally struct {
	digit int64
	// number is what was appended so far, of so many digits.
	number *big.Int
	length int
	// below is how often the digit stands in the numbers from 1 to number-1, within how
	// often in number itself.
	below  *big.Int
	within int64
	// free is how many numbers of as many digits below number are without the digit, and
	// shorter of fewer; for a digit other than 0 zeros in front are digits, so that the
	// shorter ones are among the first.
	free, shorter *big.Int
}

func (t *tally) append(next int64) {
	t.grow(t.free, 9, t.below9(next))
	if t.digit == 0 && t.length > 0 {
		// Those of one digit fewer than now: 9 choices for each digit.
		t.grow(t.shorter, 9, 9)
	}
	// Ten numbers go on from each below number: one of them with the digit at its end.
	// From number itself go on those up to next.
	t.below.Mul(t.below, big.NewInt(10))
	t.below.Add(t.below, t.number)
	more := next * t.within
	if next > t.digit {
		more++
	}
	if t.digit == 0 {
		// A 0 at the end counts behind another digit only.
		more--
		if t.length == 0 {
			more = 0
		}
	}
	t.below.Add(t.below, big.NewInt(more))
	t.grow(t.number, 10, next)
	if next == t.digit {
		t.within++
	}
	t.length++
}

// below9 is how many digits less than next may follow number, when the result shall be
// without the digit.
func (t *tally) below9(next int64) int64 {
	if t.within > 0 {
		return 0
	}
	choices := next
	if t.digit < next && (t.digit > 0 || t.length > 0) || t.digit == 0 && t.length == 0 {
		choices--
	}
	return choices
}

func (t *tally) grow(n *big.Int, by, more int64) {
	n.Mul(n, big.NewInt(by))
	n.Add(n, big.NewInt(more))
}

// integers gives how many of the numbers from 1 to number contain the digit.
func (t *tally) integers() *big.Int {
	without := new(big.Int).Add(t.free, t.shorter)
	if t.digit > 0 {
		without.Sub(without, big.NewInt(1)) // the number 0
	}
	if t.within == 0 {
		without.Add(without, big.NewInt(1)) // number itself
	}
	return without.Sub(t.number, without)
}

// occurrences gives how often the digit stands in the numbers from 1 to number.
func (t *tally) occurrences() *big.Int { return new(big.Int).Add(t.below, big.NewInt(t.within)) }
