// Package kernel multiplies rows of packed 4-bit codes with a query of signed
// bytes, as fast as the machine can. All forms give the same integers: a form is
// chosen for its speed alone, and what is computed from the integers does not
// depend on the machine.
//
// A row of n codes has n/2 bytes. Byte i has code i in its lower half, and in its
// upper half code n/2 + i.
package kernel

import "fmt"

// Step is what the number of codes of a row must be a multiple of. A query is
// filled up with 0, and then it does not matter what a row is filled up with.
const Step = 128

// MaxCodes is how many codes a row may have. A product is below 2^31:
// 15 * 128 * 4096 < 8,000,000.
const MaxCodes = 4096

// Codes is how many codes a vector takes that has n numbers.
func Codes(n int) int { return (n + Step - 1) / Step * Step }

// Query is what rows are multiplied with.
type Query struct{ codes []int8 }

// NewQuery takes a query's codes, whose number is a multiple of Step up to
// MaxCodes. They must not be changed afterwards.
func NewQuery(codes []int8) (Query, error) {
	if len(codes) == 0 || len(codes)%Step != 0 || len(codes) > MaxCodes {
		return Query{}, fmt.Errorf("kernel: a query of %d codes, want a multiple of %d up to %d", len(codes), Step, MaxCodes)
	}
	return Query{codes: codes}, nil
}

// Form is one way of multiplying.
type Form struct {
	// Name is that of the machine's instructions, or "portable".
	Name string
	dots func(out []int32, rows []byte, list []uint16, q Query)
}

// Dots writes to out[i] the product of the query with the row of the number
// list[i], of which each has half as many bytes as the query has codes. It
// panics where a row lies outside of rows or out is shorter than list, as an
// index out of range does.
func (f Form) Dots(out []int32, rows []byte, list []uint16, q Query) {
	if len(list) == 0 {
		return
	}
	most := uint16(0)
	for _, r := range list {
		most = max(most, r)
	}
	_ = rows[(int(most)+1)*len(q.codes)/2-1]
	f.dots(out[:len(list)], rows, list, q)
}

// Best is the fastest form that this machine has.
func Best() Form { return Forms()[0] }

func portable(out []int32, rows []byte, list []uint16, q Query) {
	half := len(q.codes) / 2
	lower, upper := q.codes[:half], q.codes[half:][:half]
	for i, r := range list {
		row := rows[int(r)*half:][:half]
		var a, b int32
		for j, packed := range row {
			a += int32(packed&15) * int32(lower[j])
			b += int32(packed>>4) * int32(upper[j])
		}
		out[i] = a + b
	}
}
