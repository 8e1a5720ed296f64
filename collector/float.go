package collector

import (
	"math"
	"strconv"
)

// What appendFloat writes by itself has at most 15 digits. Numbers of so many digits are all different as float64, so
// one that is read back as f is the shortest that is.
const (
	maxDigits = 1e15 // integers below it
	fractions = 9    // decimal places, of numbers below 1e6
	scale     = 1e9
)

// appendFloat appends f as strconv's format 'g' with the fewest digits does, except that -0 is 0. What monitoring is
// full of takes a shorter way: integers, and decimal fractions such as clock ticks and milliseconds in seconds.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs < 1e6 && f == math.Trunc(f):
		return strconv.AppendInt(b, int64(f), 10)
	case abs >= 1e-4 && abs < 1e6:
		if n := math.Round(abs * scale); n/scale == abs {
			return appendFraction(b, uint64(n), f < 0)
		}
	case abs >= 1e6 && abs < maxDigits && f == math.Trunc(f):
		return appendScientific(b, uint64(abs), f < 0)
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "+Inf"...)
	case math.IsInf(f, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// appendFraction appends n/scale, which is no integer.
func appendFraction(b []byte, n uint64, negative bool) []byte {
	if negative {
		b = append(b, '-')
	}
	b = strconv.AppendUint(b, n/scale, 10)
	b = append(b, '.')
	from := len(b)
	b = append(b, "000000000"...)
	digits := b[from:]
	for i, rest := fractions-1, n%scale; rest > 0; i-- {
		digits[i] = byte('0' + rest%10)
		rest /= 10
	}
	return trimZeros(b)
}

// appendScientific appends an integer that has at least seven digits.
func appendScientific(b []byte, n uint64, negative bool) []byte {
	if negative {
		b = append(b, '-')
	}
	from := len(b)
	b = append(b, "0."...)
	b = strconv.AppendUint(b, n, 10)
	b[from] = b[from+2]
	copy(b[from+2:], b[from+3:])
	b = b[:len(b)-1]
	exponent := len(b) - from - 2
	b = trimZeros(b)
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return append(b, 'e', '+', byte('0'+exponent/10), byte('0'+exponent%10))
}

func trimZeros(b []byte) []byte {
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
