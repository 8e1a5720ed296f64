package api

import (
	"bytes"
	"fmt"
	"math"
)

// entry is what one access-log line says about one request; its slices point into the line.
type entry struct {
	method  []byte // nil when the request line is no HTTP
	path    []byte // with its query; nil when the request line is no HTTP
	status  int    // 0 when outside 100–599
	size    int64  // bytes of the body sent; -1 when not told
	seconds float64
	timed   bool // the line carries a duration
}

// parser fills e from one line without its newline and says whether the line has the parser's format.
type parser func(line []byte, e *entry) bool

// FormatCombined is the access-log format read when none is configured: the combined format of nginx and Apache, alone
// or followed by quoted fields and by key=value fields, of which rt ($request_time) and urt ($upstream_response_time) are read.
const FormatCombined = "combined"

func parserOf(format string) (parser, error) {
	switch format {
	case FormatCombined:
		return parseCombined, nil
	}
	return nil, fmt.Errorf("unknown access-log format %q: want %s", format, FormatCombined)
}

var timeEnd = []byte(`] "`)

func parseCombined(line []byte, e *entry) bool {
	*e = entry{size: -1}
	// Both servers escape quotes in $remote_user, so its text cannot hold this sequence.
	i := bytes.Index(line, timeEnd)
	if i < 0 || bytes.IndexByte(line[:i], '[') < 0 {
		return false
	}
	request, rest, ok := cutQuoted(line[i+2:])
	if !ok {
		return false
	}
	status, rest := cutField(rest)
	if len(status) != 3 {
		return false
	}
	code, ok := parseDigits(status)
	if !ok {
		return false
	}
	size, rest := cutField(rest)
	if n, ok := parseDigits(size); ok {
		e.size = n
	} else if len(size) != 1 || size[0] != '-' {
		return false
	}
	if code >= 100 && code <= 599 {
		e.status = int(code)
	}
	parseRequest(request, e)
	parseExtras(rest, e)
	return true
}

// parseRequest leaves method and path nil for what is not HTTP: nginx logs a TLS hello on a plain port as \x16\x03.
func parseRequest(request []byte, e *entry) {
	method, rest, ok := bytes.Cut(request, []byte{' '})
	if !ok || len(method) == 0 || len(rest) == 0 {
		return
	}
	for _, c := range method {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return
		}
	}
	if i := bytes.LastIndex(rest, []byte(" HTTP/")); i >= 0 {
		rest = rest[:i]
	}
	e.method, e.path = method, rest
}

// parseExtras reads what follows the combined fields: "…" and key=value or key="…".
func parseExtras(rest []byte, e *entry) {
	var upstream float64
	var hasUpstream bool
	for {
		rest = bytes.TrimLeft(rest, " ")
		if len(rest) == 0 {
			break
		}
		if rest[0] == '"' {
			var ok bool
			if _, rest, ok = cutQuoted(rest); !ok {
				break
			}
			continue
		}
		i := bytes.IndexAny(rest, "= ")
		if i < 0 {
			break
		}
		if rest[i] == ' ' {
			rest = rest[i:]
			continue
		}
		key, value := rest[:i], rest[i+1:]
		if len(value) > 0 && value[0] == '"' {
			var ok bool
			if value, rest, ok = cutQuoted(value); !ok {
				break
			}
		} else {
			value, rest = cutField(value)
		}
		switch string(key) {
		case "rt":
			e.seconds, e.timed = parseSeconds(value)
		case "urt":
			upstream, hasUpstream = sumSeconds(value)
		}
	}
	if !e.timed && hasUpstream {
		e.seconds, e.timed = upstream, true
	}
}

// cutQuoted cuts a field in double quotes, in which a backslash escapes the next byte.
func cutQuoted(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// cutField cuts the field up to the next space, after leading spaces.
func cutField(b []byte) (field, rest []byte) {
	b = bytes.TrimLeft(b, " ")
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parseSeconds reads a decimal such as 0.120; anything else, "-" included, is no time.
func parseSeconds(b []byte) (float64, bool) {
	whole, frac, dotted := bytes.Cut(b, []byte{'.'})
	n, ok := parseDigits(whole)
	if !ok {
		return 0, false
	}
	if !dotted {
		return float64(n), true
	}
	if len(frac) > 9 {
		frac = frac[:9]
	}
	m, ok := parseDigits(frac)
	if !ok {
		return 0, false
	}
	return float64(n) + float64(m)/math.Pow10(len(frac)), true
}

// sumSeconds adds the times of several upstreams: "0.001, 0.120" after a retry, "0.010 : 0.020" after an internal redirect.
func sumSeconds(b []byte) (sum float64, any bool) {
	for part := range bytes.FieldsFuncSeq(b, func(r rune) bool { return r == ',' || r == ':' || r == ' ' }) {
		if s, ok := parseSeconds(part); ok {
			sum, any = sum+s, true
		}
	}
	return sum, any
}
