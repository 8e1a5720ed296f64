package postgres

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what a piece of SQL is.
type tokenKind int

const (
	tokenSymbol tokenKind = iota
	tokenWord             // keyword or plain name
	tokenName             // "quoted name"
	tokenString           // constant in quotes or dollars
	tokenNumber
	tokenParam // $1
)

type token struct {
	kind tokenKind
	text string
	from int // where it begins
}

// tokens cuts SQL into its pieces, without spaces and comments. What is not closed reaches to the end; closed tells.
func tokens(sql string) (list []token, closed bool) {
	closed = true
	for i := 0; i < len(sql); {
		kind, n, ok := next(sql[i:])
		if !ok {
			closed = false
		}
		if kind >= 0 {
			list = append(list, token{kind, sql[i : i+n], i})
		}
		i += n
	}
	return list, closed
}

// nothing is the kind of spaces and comments.
const nothing tokenKind = -1

// next measures the first piece of s, which is not empty.
func next(s string) (kind tokenKind, n int, closed bool) {
	switch c := s[0]; {
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return nothing, i + 1, true
		}
		return nothing, len(s), true
	case strings.HasPrefix(s, "/*"):
		n, closed := comment(s)
		return nothing, n, closed
	case c == '\'':
		n, closed := quoted(s, '\'', false)
		return tokenString, n, closed
	case c == '"':
		n, closed := quoted(s, '"', false)
		return tokenName, n, closed
	case c == '$':
		return dollar(s)
	case c >= '0' && c <= '9' || c == '.' && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
		n := 1
		for n < len(s) && (wordByte(s[n]) || s[n] == '.') {
			n++
		}
		return tokenNumber, n, true
	case wordByte(c):
		n := 1
		for n < len(s) && (wordByte(s[n]) || s[n] == '$') {
			n++
		}
		if n < len(s) && s[n] == '\'' && n <= 2 { // E'…', B'…', X'…', N'…'
			m, closed := quoted(s[n:], '\'', c == 'e' || c == 'E')
			return tokenString, n + m, closed
		}
		return tokenWord, n, true
	}
	r, n := utf8.DecodeRuneInString(s)
	if unicode.IsSpace(r) || r < ' ' {
		return nothing, n, true
	}
	return tokenSymbol, n, true
}

// wordByte takes every byte of letters beyond ASCII for one of a word, as PostgreSQL does.
func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
}

func comment(s string) (n int, closed bool) {
	depth := 0
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
		default:
			i++
		}
		if depth == 0 {
			return i, true
		}
	}
	return len(s), false
}

func quoted(s string, quote byte, escapes bool) (n int, closed bool) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escapes:
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1, true
		}
	}
	return len(s), false
}

func dollar(s string) (kind tokenKind, n int, closed bool) {
	n = 1
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n > 1 {
		return tokenParam, n, true
	}
	for n < len(s) && wordByte(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return tokenSymbol, 1, true
	}
	tag := s[:n+1]
	if end := strings.Index(s[n+1:], tag); end >= 0 {
		return tokenString, n + 1 + end + len(tag), true
	}
	return tokenString, len(s), false
}
