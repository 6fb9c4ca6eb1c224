package chat

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

var errZeroDivision = errors.New("division by zero")

func isNumber(v value) bool {
	switch v.(type) {
	case bool, int64, *big.Int, float64:
		return true
	}
	return false
}

// toFloat gives a number as a float; an integer that is too large is an error.
func toFloat(v value) (float64, error) {
	if f, ok := v.(float64); ok {
		return f, nil
	}
	if n, ok := toInt(v); ok {
		return float64(n), nil
	}
	n, ok := toBig(v)
	if !ok {
		return 0, fmt.Errorf("'%s' is no number", typeName(v))
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	if math.IsInf(f, 0) {
		return 0, errors.New("int too large to convert to float")
	}
	return f, nil
}

// orderNumbers compares two numbers exactly, an integer with a float too.
func orderNumbers(left, right value) (sign int, ordered bool) {
	f, floatLeft := left.(float64)
	g, floatRight := right.(float64)
	if floatLeft && math.IsNaN(f) || floatRight && math.IsNaN(g) {
		return 0, false
	}
	return bigFloat(left).Cmp(bigFloat(right)), true
}

func bigFloat(v value) *big.Float {
	if f, ok := v.(float64); ok {
		return big.NewFloat(f)
	}
	n, _ := toBig(v)
	return new(big.Float).SetInt(n)
}

// signed is +v or -v.
func signed(v value, minus bool) (value, error) {
	switch n := v.(type) {
	case *undefined:
		return nil, n.err()
	case float64:
		if minus {
			return -n, nil
		}
		return n, nil
	}
	n, ok := toBig(v)
	if !ok {
		return nil, fmt.Errorf("bad operand type for unary sign: '%s'", typeName(v))
	}
	if minus {
		return fromBig(new(big.Int).Neg(n)), nil
	}
	return fromBig(n), nil
}

// arithmetic is Python's: / gives a float, // and % round towards minus
// infinity, integers have no end.
func arithmetic(op string, left, right value) (value, error) {
	_, floatLeft := left.(float64)
	_, floatRight := right.(float64)
	if !floatLeft && !floatRight {
		if v, ok := smallArithmetic(op, left, right); ok {
			return v, nil
		}
		a, _ := toBig(left)
		b, _ := toBig(right)
		return integerArithmetic(op, a, b)
	}
	a, err := toFloat(left)
	if err != nil {
		return nil, err
	}
	b, err := toFloat(right)
	if err != nil {
		return nil, err
	}
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "**":
		return power(a, b)
	}
	if b == 0 {
		return nil, errZeroDivision
	}
	switch op {
	case "/":
		return a / b, nil
	case "//":
		quotient, _ := floorDivide(a, b)
		return quotient, nil
	}
	_, remainder := floorDivide(a, b)
	return remainder, nil
}

// smallArithmetic is + - and * of integers that are far from overflowing.
func smallArithmetic(op string, left, right value) (value, bool) {
	a, okA := left.(int64)
	b, okB := right.(int64)
	const far = 1 << 31
	if !okA || !okB || a <= -far || a >= far || b <= -far || b >= far {
		return nil, false
	}
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	}
	return nil, false
}

// floorDivide is Python's divmod of floats.
func floorDivide(a, b float64) (quotient, remainder float64) {
	remainder = math.Mod(a, b)
	quotient = (a - remainder) / b
	if remainder != 0 {
		if (b < 0) != (remainder < 0) {
			remainder += b
			quotient--
		}
	} else {
		remainder = math.Copysign(0, b)
	}
	if quotient == 0 {
		return math.Copysign(0, a/b), remainder
	}
	floor := math.Floor(quotient)
	if quotient-floor > 0.5 {
		floor++
	}
	return floor, remainder
}

func power(a, b float64) (value, error) {
	if a == 0 && b < 0 {
		return nil, errors.New("0.0 cannot be raised to a negative power")
	}
	f := math.Pow(a, b)
	switch {
	case math.IsNaN(f) && !math.IsNaN(a) && !math.IsNaN(b):
		return nil, errors.New("complex numbers are not supported")
	case math.IsInf(f, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0):
		return nil, errors.New("numerical result out of range")
	}
	return f, nil
}

func integerArithmetic(op string, a, b *big.Int) (value, error) {
	n := new(big.Int)
	switch op {
	case "+":
		return limited(n.Add(a, b))
	case "-":
		return limited(n.Sub(a, b))
	case "*":
		return limited(n.Mul(a, b))
	case "**":
		return integerPower(a, b)
	}
	if b.Sign() == 0 {
		return nil, errZeroDivision
	}
	if op == "/" {
		f, _ := new(big.Rat).SetFrac(a, b).Float64()
		if math.IsInf(f, 0) {
			return nil, errors.New("integer division result too large for a float")
		}
		return f, nil
	}
	m := new(big.Int)
	n.QuoRem(a, b, m)
	if m.Sign() != 0 && m.Sign() != b.Sign() {
		n.Sub(n, big.NewInt(1))
		m.Add(m, b)
	}
	if op == "//" {
		return fromBig(n), nil
	}
	return fromBig(m), nil
}

// maxBits is about maxDigits decimal digits.
const maxBits = maxDigits * 10 / 3

var errLongInteger = fmt.Errorf("an integer of more than %d digits", maxDigits)

func limited(n *big.Int) (value, error) {
	if n.BitLen() > maxBits {
		return nil, errLongInteger
	}
	return fromBig(n), nil
}

func integerPower(a, b *big.Int) (value, error) {
	if b.Sign() < 0 {
		x, err := toFloat(fromBig(a))
		if err != nil {
			return nil, err
		}
		y, err := toFloat(fromBig(b))
		if err != nil {
			return nil, err
		}
		return power(x, y)
	}
	if a.BitLen() > 1 && (!b.IsInt64() || b.Int64() > maxBits || int64(a.BitLen()-1)*b.Int64() > maxBits) {
		return nil, errLongInteger
	}
	if a.BitLen() <= 1 && b.BitLen() > 1 {
		// 0, 1 and -1: only whether the power is even matters.
		b = new(big.Int).Add(big.NewInt(2), new(big.Int).And(b, big.NewInt(1)))
	}
	return limited(new(big.Int).Exp(a, b, nil))
}

// parseInt is int(text, base).
func parseInt(text string, base int) (value, bool) {
	text = strings.TrimFunc(text, isSpace)
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || len(digits) > maxDigits {
		return nil, false
	}
	lower := strings.ToLower(digits)
	prefixes := map[int]string{2: "0b", 8: "0o", 16: "0x"}
	switch prefix, ok := prefixes[base]; {
	case ok && strings.HasPrefix(lower, prefix):
		digits = strings.TrimPrefix(digits[2:], "_")
	case base == 0 && len(lower) > 1 && strings.Contains("box", lower[1:2]):
	case base == 0 && len(digits) > 1 && strings.Trim(digits, "0_") != "" && digits[0] == '0':
		return nil, false
	}
	if !plainDigits(digits) {
		return nil, false
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(digits, "_", ""), base)
	if !ok {
		return nil, false
	}
	if strings.HasPrefix(text, "-") {
		n.Neg(n)
	}
	return fromBig(n), true
}

// plainDigits tells whether underscores stand only between digits.
func plainDigits(digits string) bool {
	return digits != "" && !strings.HasPrefix(digits, "_") && !strings.HasSuffix(digits, "_") && !strings.Contains(digits, "__") && !strings.ContainsAny(digits, "+-")
}

// parseFloat is float(text).
func parseFloat(text string) (float64, bool) {
	text = strings.ToLower(strings.TrimFunc(text, isSpace))
	switch strings.TrimLeft(text, "+-") {
	case "inf", "infinity", "nan":
	default:
		for i := range len(text) {
			c := text[i]
			between := i > 0 && i+1 < len(text) && isDigit(text[i-1]) && isDigit(text[i+1])
			if !isDigit(c) && !strings.ContainsRune("+-.e", rune(c)) && (c != '_' || !between) {
				return 0, false
			}
		}
		text = strings.ReplaceAll(text, "_", "")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return f, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
