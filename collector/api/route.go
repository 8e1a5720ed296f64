package api

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	otherRoute   = "other"
	maxSegments  = 12
	maxWordBytes = 40
)

// router turns paths into a bounded set of route templates.
type router struct {
	templates []template
	max       int
	ids       map[string]int // route to index in names
	names     []string       // names[0] is otherRoute
	learned   int
	buf       []byte
	segments  [][]byte
}

// newRouter knows the configured templates from the start; at most max others are learned from the log.
func newRouter(templates []string, max int) (*router, error) {
	r := &router{max: max, ids: map[string]int{}}
	r.add(otherRoute)
	for _, text := range templates {
		t, err := parseTemplate(text)
		if err != nil {
			return nil, err
		}
		if _, known := r.ids[text]; known {
			return nil, fmt.Errorf("route %q is listed twice", text)
		}
		t.id = r.add(text)
		r.templates = append(r.templates, t)
	}
	return r, nil
}

func (r *router) add(name string) int {
	r.names = append(r.names, name)
	r.ids[name] = len(r.names) - 1
	return len(r.names) - 1
}

// route returns the index in names of the route of a request. A new route earns its place only by an answer that some
// handler must have given, so that scanners (404, 403, 400) and outages (502–504) do not fill the table.
func (r *router) route(path []byte, status int) int {
	path, ok := cleanPath(path)
	if !ok {
		return 0
	}
	r.segments = split(r.segments[:0], path)
	for _, t := range r.templates {
		if t.match(r.segments) {
			return t.id
		}
	}
	r.buf = appendRoute(r.buf[:0], r.segments)
	if id, known := r.ids[string(r.buf)]; known {
		return id
	}
	earned := status >= 100 && status < 400 || status == 500
	if !earned || r.learned >= r.max {
		return 0
	}
	r.learned++
	return r.add(string(r.buf))
}

// cleanPath strips query, fragment and the scheme and host of an absolute-form target.
func cleanPath(path []byte) ([]byte, bool) {
	if i := bytes.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if i := bytes.Index(path, []byte("://")); i > 0 && path[0] != '/' {
		path = path[i+3:]
		slash := bytes.IndexByte(path, '/')
		if slash < 0 {
			return []byte{'/'}, true
		}
		path = path[slash:]
	}
	return path, len(path) > 0 && path[0] == '/'
}

// split cuts a path at slashes, leaving out empty segments and what lies deeper than maxSegments.
func split(dst [][]byte, path []byte) [][]byte {
	for s := range bytes.SplitSeq(path, []byte{'/'}) {
		if len(s) == 0 {
			continue
		}
		if len(dst) == maxSegments {
			return append(dst, []byte("*"))
		}
		dst = append(dst, s)
	}
	return dst
}

// appendRoute writes the template of a path: words stay, what varies becomes a placeholder.
func appendRoute(dst []byte, segments [][]byte) []byte {
	if len(segments) == 0 {
		return append(dst, '/')
	}
	for i, s := range segments {
		dst = append(dst, '/')
		switch last := i == len(segments)-1; {
		case i == maxSegments:
			dst = append(dst, '*')
		case last && isAsset(s):
			dst = append(dst, ":file"...)
		case isUUID(s):
			dst = append(dst, ":uuid"...)
		case isDate(s):
			dst = append(dst, ":date"...)
		case isCode(s, i):
			dst = append(dst, ":code"...)
		case isID(s):
			dst = append(dst, ":id"...)
		default:
			dst = append(dst, s...)
		}
	}
	return dst
}

// isID holds for numbers, hexadecimal ids, tokens, and everything that is not a plain word.
func isID(s []byte) bool {
	var digits, hex int
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
			hex++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			hex++
		case c >= 'g' && c <= 'z', c >= 'G' && c <= 'Z', c == '-', c == '_', c == '.', c == '~':
		default:
			return true // escapes, percent-encoding, bytes outside ASCII
		}
	}
	switch {
	case digits == len(s), digits >= 4, len(s) > maxWordBytes:
		return true
	case hex == len(s):
		return digits > 0 && len(s) >= 8 || len(s) >= 24
	}
	return false
}

// isUUID holds for 8-4-4-4-12 hexadecimal digits.
func isUUID(s []byte) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// isDate holds for 2025-10-25.
func isDate(s []byte) bool {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	for i, c := range s {
		if i != 4 && i != 7 && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isCode holds for stock codes and tickers: 000001.SZ, 0700.HK, AAPL, BRK.B; not at the path's root, where capitals name an application.
func isCode(s []byte, depth int) bool {
	stem, market, dotted := bytes.Cut(s, []byte{'.'})
	if dotted && len(market) >= 1 && len(market) <= 4 && allUpper(market) {
		digits, ok := parseDigits(stem)
		return ok && digits >= 0 && len(stem) <= 8 || depth > 0 && allUpper(stem) && len(stem) <= 6
	}
	return !dotted && depth > 0 && len(s) <= 6 && allUpper(s)
}

func allUpper(s []byte) bool {
	for _, c := range s {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(s) > 0
}

var assetSuffixes = []string{".js", ".mjs", ".css", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".woff", ".woff2", ".ttf"}

// isAsset holds for the files of a front end, whose names carry a hash of each build.
func isAsset(s []byte) bool {
	i := bytes.LastIndexByte(s, '.')
	return i > 0 && slices.Contains(assetSuffixes, string(s[i:]))
}

// template is a configured route: words, ":name" for one segment, "*" at the end for any rest.
type template struct {
	id       int
	segments []string
	rest     bool
}

func parseTemplate(text string) (template, error) {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, "?# \t\r\n") || !isPrintable(text) {
		return template{}, fmt.Errorf("route %q: write it as a path such as /api/v1/stocks/:code/data", text)
	}
	var t template
	t.segments = slices.DeleteFunc(strings.Split(text, "/"), func(s string) bool { return s == "" })
	if n := len(t.segments); n > maxSegments {
		return template{}, fmt.Errorf("route %q has %d segments: at most %d are told apart, end it with *", text, n, maxSegments)
	}
	if i := slices.Index(t.segments, "*"); i >= 0 {
		if i != len(t.segments)-1 {
			return template{}, fmt.Errorf("route %q: * may only be the last segment; write :name for one segment", text)
		}
		t.segments, t.rest = t.segments[:i], true
	}
	return t, nil
}

func (t template) match(path [][]byte) bool {
	if len(path) < len(t.segments) || len(path) > len(t.segments) && !t.rest {
		return false
	}
	for i, s := range t.segments {
		if s[0] != ':' && s != string(path[i]) {
			return false
		}
	}
	return true
}
