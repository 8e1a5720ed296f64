package host

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// The parsers work on the bytes of a whole file and allocate nothing but what they return.

// cutLine returns the first line without its end, and the rest.
func cutLine(b []byte) (line, rest []byte) {
	if before, after, ok := bytes.Cut(b, []byte{'\n'}); ok {
		return before, after
	}
	return b, nil
}

// cutField returns the first field of a line, nil if there is none, and the rest.
func cutField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !isSpace(b[j]) {
		j++
	}
	if i == j {
		return nil, nil
	}
	return b[i:j], b[j:]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// parseUint reads a decimal number.
func parseUint(b []byte) (uint64, error) {
	if len(b) == 0 {
		return 0, errors.New("number expected")
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a number", b)
		}
		if n > (math.MaxUint64-d)/10 {
			return 0, fmt.Errorf("%q is too large", b)
		}
		n = n*10 + d
	}
	return n, nil
}

// parseUints reads numbers from the fields of a line until it or out ends, and returns how many there were.
func parseUints(line []byte, out []uint64) (int, error) {
	for i := range out {
		var f []byte
		if f, line = cutField(line); f == nil {
			return i, nil
		}
		n, err := parseUint(f)
		if err != nil {
			return i, err
		}
		out[i] = n
	}
	return len(out), nil
}

// parseInt reads a decimal number that may be negative.
func parseInt(b []byte) (int64, error) {
	digits, negative := bytes.CutPrefix(b, []byte{'-'})
	n, err := parseUint(digits)
	switch {
	case err != nil:
		return 0, err
	case negative && n <= 1<<63:
		return int64(-n), nil
	case negative || n > math.MaxInt64:
		return 0, fmt.Errorf("%q is too large", b)
	}
	return int64(n), nil
}

// parseHex reads a hexadecimal number without prefix.
func parseHex(b []byte) (uint64, error) {
	if len(b) == 0 {
		return 0, errors.New("number expected")
	}
	var n uint64
	for _, c := range b {
		var d byte
		switch {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c >= 'a' && c <= 'f':
			d = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			d = c - 'A' + 10
		default:
			return 0, fmt.Errorf("%q is not a hexadecimal number", b)
		}
		if n >= 1<<60 {
			return 0, fmt.Errorf("%q is too large", b)
		}
		n = n<<4 | uint64(d)
	}
	return n, nil
}

// parseHexes is parseUints for hexadecimal numbers.
func parseHexes(line []byte, out []uint64) (int, error) {
	for i := range out {
		var f []byte
		if f, line = cutField(line); f == nil {
			return i, nil
		}
		n, err := parseHex(f)
		if err != nil {
			return i, err
		}
		out[i] = n
	}
	return len(out), nil
}

// parsePairs calls yield for each line of a file of names and values.
func parsePairs(b []byte, yield func(name, value []byte) error) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		if name == nil {
			continue
		}
		value, _ := cutField(rest)
		if err := yield(name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
