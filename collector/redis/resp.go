package redis

import (
	"strconv"
	"strings"
)

// cursor walks over a raw reply of the protocol's version 2 in place. Its strings are parts of the reply; what is not
// there reads as nothing.
type cursor struct{ rest string }

// head takes the next value apart: its kind, its text, and for an array how many values follow. kind is 0 at the end.
func (c *cursor) head() (kind byte, text string, n int) {
	line, rest, ok := strings.Cut(c.rest, "\r\n")
	if !ok || line == "" {
		c.rest = ""
		return 0, "", 0
	}
	c.rest = rest
	kind, text = line[0], line[1:]
	if kind != '$' && kind != '*' {
		return kind, text, 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 { // a null
		return kind, "", 0
	}
	if kind == '*' {
		return kind, "", n
	}
	if n+2 > len(c.rest) || n+2 < n {
		c.rest = ""
		return 0, "", 0
	}
	text, c.rest = c.rest[:n], c.rest[n+2:]
	return kind, text, 0
}

// take returns the next value whole.
func (c *cursor) take() cursor {
	start := c.rest
	for pending := 1; pending > 0; pending-- {
		kind, _, n := c.head()
		if kind == 0 {
			return cursor{start}
		}
		pending += min(n, len(c.rest)) // no value is shorter than a byte
	}
	return cursor{start[:len(start)-len(c.rest)]}
}

// whole reports whether a reply has all that it says it has.
func whole(reply string) bool {
	c := cursor{reply}
	for pending := 1; pending > 0; pending-- {
		kind, _, n := c.head()
		if kind == 0 || n > len(c.rest) {
			return false
		}
		pending += n
	}
	return c.rest == ""
}

// text reads a string or a number; an array, an error or a null reads as "".
func (c *cursor) text() string {
	one := c.take()
	kind, text, _ := one.head()
	if kind == '-' {
		return ""
	}
	return text
}

// number reads a number, also one that is sent as a string.
func (c *cursor) number() (float64, bool) {
	return number(c.text())
}

// elements calls fn for each value of an array.
func (c *cursor) elements(fn func(cursor)) {
	one := c.take()
	_, _, n := one.head()
	for range n {
		if one.rest == "" {
			return
		}
		fn(one.take())
	}
}

// pairs calls fn for the names and values that an array has in turn.
func (c *cursor) pairs(fn func(name string, value cursor)) {
	one := c.take()
	_, _, n := one.head()
	for range n / 2 {
		if one.rest == "" {
			return
		}
		name := one.text()
		fn(name, one.take())
	}
}

// replyError is an error that the server replied.
type replyError string

func (e replyError) Error() string { return string(e) }

// failure returns the error that a raw reply is, nil if it is none.
func failure(reply string) error {
	if text, ok := strings.CutPrefix(reply, "-"); ok {
		return replyError(strings.TrimSuffix(text, "\r\n"))
	}
	return nil
}
