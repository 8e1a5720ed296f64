package redis

import (
	"bytes"
	"errors"
	"strconv"
)

// These bound what a server may send to one pipeline. The client takes memory for what a reply says it will be.
const (
	mostReply = 64 << 20 // bytes
	mostLines = 1 << 20
)

var errTooLong = errors.New("the reply is too long for a Redis server's")

// bound follows the replies of a server as they come in.
type bound struct {
	total int
	lines int
	skip  int    // bytes of a string that are still to come
	line  []byte // the line under way, as far as it matters
}

// begin starts counting anew.
func (b *bound) begin() { b.total, b.lines = 0, 0 }

// check takes the next bytes and refuses what would need too much memory.
func (b *bound) check(p []byte) error {
	if b.total += len(p); b.total > mostReply {
		return errTooLong
	}
	for len(p) > 0 {
		if b.skip > 0 {
			n := min(b.skip, len(p))
			b.skip -= n
			p = p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		const enough = 24 // a kind and the digits of a length
		b.line = append(b.line, part[:min(len(part), enough-min(enough, len(b.line)))]...)
		if end < 0 {
			return nil
		}
		p = p[end+1:]
		if b.lines++; b.lines > mostLines {
			return errTooLong
		}
		if len(b.line) > 0 && b.line[0] == '$' {
			n, err := strconv.Atoi(string(bytes.TrimSpace(b.line[1:])))
			if err != nil || n > mostReply || len(b.line) == enough {
				return errTooLong
			}
			if n >= 0 {
				b.skip = n + len("\r\n")
			}
		}
		b.line = b.line[:0]
	}
	return nil
}
