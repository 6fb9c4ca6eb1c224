package chat

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

func absFilter(_ *run, v value, _ []value) (value, error) {
	switch n := v.(type) {
	case float64:
		return math.Abs(n), nil
	case *undefined:
		return nil, n.err()
	}
	n, ok := toBig(v)
	if !ok {
		return nil, fmt.Errorf("bad operand type for abs(): '%s'", typeName(v))
	}
	return fromBig(new(big.Int).Abs(n)), nil
}

// truncated is int() of a float.
func truncated(f float64) (value, bool) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, false
	}
	n, _ := big.NewFloat(f).Int(nil)
	return fromBig(n), true
}

// intFilter makes an integer of a number or text, else gives the default.
func intFilter(_ *run, v value, a []value) (value, error) {
	otherwise := value(int64(0))
	if given(a[0]) {
		otherwise = a[0]
	}
	switch n := v.(type) {
	case *undefined:
		return nil, n.err()
	case float64:
		if math.IsInf(n, 0) {
			return nil, errors.New("cannot convert float infinity to integer")
		}
		if i, ok := truncated(n); ok {
			return i, nil
		}
		return otherwise, nil
	case string, markup:
		return textToInt(n, a[1], otherwise)
	}
	if n, ok := toBig(v); ok {
		return fromBig(n), nil
	}
	return otherwise, nil
}

// foreignDigits tells whether a text has digits that Python reads as numbers
// and that are not 0 to 9.
func foreignDigits(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r > '9' && unicode.IsDigit(r) })
}

func textToInt(v, base, otherwise value) (value, error) {
	text, _ := textOf(v)
	if foreignDigits(text) {
		return nil, fmt.Errorf("making an integer of %s is not supported", quote(text))
	}
	b, err := intArgument(base, 10)
	if err != nil {
		return nil, err
	}
	if b == 0 || b >= 2 && b <= 36 {
		if n, ok := parseInt(text, int(b)); ok {
			return n, nil
		}
	}
	if f, ok := parseFloat(text); ok {
		if n, ok := truncated(f); ok {
			return n, nil
		}
	}
	return otherwise, nil
}

func floatFilter(_ *run, v value, a []value) (value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if isNumber(v) {
		return toFloat(v)
	}
	if text, ok := textOf(v); ok {
		if foreignDigits(text) {
			return nil, fmt.Errorf("making a float of %s is not supported", quote(text))
		}
		if f, ok := parseFloat(text); ok {
			return f, nil
		}
	}
	if given(a[0]) {
		return a[0], nil
	}
	return 0.0, nil
}

func roundFilter(_ *run, v value, a []value) (value, error) {
	method := "common"
	if given(a[1]) {
		method, _ = textOf(a[1])
	}
	if method != "common" && method != "ceil" && method != "floor" {
		return nil, errors.New("method must be common, ceil or floor")
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	precision, err := intArgument(a[0], 0)
	if err != nil {
		return nil, err
	}
	if precision < -400 || precision > 400 {
		return nil, fmt.Errorf("a precision of %d is not supported", precision)
	}
	f, isFloat := v.(float64)
	if !isFloat && !isNumber(v) {
		return nil, fmt.Errorf("type %s can't be rounded", typeName(v))
	}
	if method != "common" {
		return roundTowards(v, precision, method)
	}
	if isFloat {
		return roundFloat(f, int(precision))
	}
	n, _ := toBig(v)
	if precision >= 0 {
		return fromBig(n), nil
	}
	return fromBig(roundHalfEven(new(big.Rat).SetInt(n), int(-precision))), nil
}

// roundFloat rounds to so many decimal places; halves, which only few floats
// are exactly, go to the even digit.
func roundFloat(f float64, places int) (value, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) || f == 0 {
		return f, nil
	}
	if places >= 0 {
		return strconv.ParseFloat(strconv.FormatFloat(f, 'f', places, 64), 64)
	}
	n := roundHalfEven(new(big.Rat).SetFloat64(f), -places)
	rounded, _ := new(big.Float).SetInt(n).Float64()
	return math.Copysign(rounded, f), nil
}

// roundHalfEven rounds to a multiple of 10 to the power of places.
func roundHalfEven(x *big.Rat, places int) *big.Int {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	scaled := new(big.Rat).Quo(x, new(big.Rat).SetInt(unit))
	// Rounds down, and up again where more than a half was lost.
	n := new(big.Int)
	m := new(big.Int)
	n.DivMod(scaled.Num(), scaled.Denom(), m)
	half := new(big.Int).Lsh(m, 1).Cmp(scaled.Denom())
	if half > 0 || half == 0 && n.Bit(0) == 1 {
		n.Add(n, big.NewInt(1))
	}
	return n.Mul(n, unit)
}

// roundTowards rounds up or down as jinja2 does, by scaling and back.
func roundTowards(v value, precision int64, method string) (value, error) {
	scale, err := arithmetic("**", int64(10), precision)
	if err != nil {
		return nil, err
	}
	scaled, err := arithmetic("*", v, scale)
	if err != nil {
		return nil, err
	}
	if f, ok := scaled.(float64); ok {
		f = math.Floor(f)
		if method == "ceil" {
			f = math.Ceil(scaled.(float64))
		}
		if scaled, ok = truncated(f); !ok {
			return nil, errors.New("cannot convert float to integer")
		}
	}
	return arithmetic("/", scaled, scale)
}

func sumFilter(r *run, v value, a []value) (value, error) {
	total := value(int64(0))
	if given(a[1]) {
		total = a[1]
	}
	if _, ok := textOf(total); ok {
		return nil, errors.New("sum() can't sum strings")
	}
	get, err := r.getter(optional(a[0]), false)
	if err != nil {
		return nil, err
	}
	next, err := iterate(r, v)
	if err != nil {
		return nil, err
	}
	for {
		item, ok, err := next()
		if err != nil || !ok {
			return total, err
		}
		if item, err = get(item); err != nil {
			return nil, err
		}
		if total, err = r.binary("+", total, item); err != nil {
			return nil, err
		}
	}
}
