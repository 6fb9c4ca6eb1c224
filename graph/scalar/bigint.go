package scalar

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/apperr"
	"parley/internal/dialog"
)

// MarshalBigInt writes a BigInt.
func MarshalBigInt(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var b [22]byte
		_, _ = w.Write(append(strconv.AppendInt(append(b[:0], '"'), n, 10), '"'))
	})
}

// UnmarshalBigInt reads a BigInt that must fit into 64 bits.
func UnmarshalBigInt(v any) (int64, error) {
	s, err := UnmarshalBigIntText(v)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, apperr.New(apperr.BadInput, "%.40s is beyond 64 bits.", s)
	}
	return n, nil
}

// MarshalBigIntText writes a BigInt from its decimal digits.
func MarshalBigIntText(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalBigIntText reads a BigInt of any size as its decimal digits. The
// service that gets it says which numbers it takes.
func UnmarshalBigIntText(v any) (string, error) {
	switch n := v.(type) {
	case int:
		return strconv.Itoa(n), nil
	case int64:
		return strconv.FormatInt(n, 10), nil
	case json.Number:
		return decimal(n.String())
	case string:
		return decimal(n)
	}
	return "", notWhole
}

// longestNumber keeps a number from being a text. The greatest that a service takes has
// 1001 digits; what is a little longer it refuses itself, with the limit's name.
const longestNumber = 1100

var notWhole = apperr.New(apperr.BadInput, "A BigInt is a whole number as a decimal string of at most %d digits.", longestNumber)

func decimal(s string) (string, error) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > longestNumber || strings.Trim(digits, "0123456789") != "" {
		return "", notWhole
	}
	return s, nil
}

// MarshalItemBigInt writes a BigInt.
func MarshalItemBigInt(n dialog.Number) graphql.Marshaler { return graphql.MarshalString(string(n)) }

// UnmarshalItemBigInt reads the BigInt of one item among many, whose service
// refuses that item alone when it is none.
func UnmarshalItemBigInt(v any) (dialog.Number, error) {
	switch n := v.(type) {
	case string:
		return dialog.Number(n), nil
	case json.Number:
		return dialog.Number(n), nil
	}
	s, err := UnmarshalBigIntText(v)
	return dialog.Number(s), err
}
