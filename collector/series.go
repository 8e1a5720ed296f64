package collector

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Series is one label set of a family. It holds the escaped prefix of its line, so that recording costs no allocation.
//
// It belongs to the Writer that made it and may be kept between collections.
type Series struct {
	w      *Writer
	fam    *family
	prefix []byte   // `name{labels} `
	values []string // valid UTF-8, in the order of fam.labels
	gen    uint64   // the collection that recorded it last
	next   *Series  // what was recorded after it, in that collection
	now    *Series  // what took its place after it was dropped from the cache, if it was recorded since
	gone   bool     // no longer in its family's cache
}

// Set records v. A second value within a collection is dropped and counted: the first wins.
func (s *Series) Set(v float64) {
	w := s.w
	if s.gone {
		s = s.current()
	}
	if s.gen == w.gen {
		w.duplicate(s.fam.name)
		return
	}
	s.gen = w.gen
	s.fam.count++
	w.samples = append(w.samples, sample{s, v})
	w.last.next = s
	w.last = s
}

// has reports whether lv are the values of s, as the caller gives them.
func (s *Series) has(lv []string) bool {
	if len(lv) != len(s.values) {
		return false
	}
	for i, from := range s.fam.order {
		if s.values[i] != lv[from] {
			return false
		}
	}
	return true
}

// labels are the part of the prefix that follows the name: what tells series of one name apart.
func (s *Series) labels() []byte { return s.prefix[len(s.fam.name):] }

type sample struct {
	series *Series
	value  float64
}

// appendKey appends label values so that no two lists give the same bytes.
func appendKey(b []byte, values []string) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	return b
}

// lookup returns the series of the caller's label values, made on first use.
func (f *family) lookup(w *Writer, lv []string) *Series {
	if len(lv) != len(f.order) {
		// The values stay out of the text: formatting them would make every caller's slice escape.
		panic(fmt.Sprintf("collector: %s wants %d label values %v, got %d", f.name, len(f.order), f.decl.Labels, len(lv)))
	}
	w.key = appendKey(w.key[:0], lv)
	if s, ok := f.series[string(w.key)]; ok {
		return s
	}
	if slices.ContainsFunc(lv, func(v string) bool { return !utf8.ValidString(v) }) {
		// Only what is exposed is cached: there is no end of bytes that become the same valid text.
		valid := make([]string, len(lv))
		for i, v := range lv {
			valid[i] = strings.ToValidUTF8(v, "\uFFFD")
		}
		return f.lookup(w, valid)
	}
	key := string(w.key)
	given := make([]string, len(lv)) // copies of lv that cost no memory beside the key
	var length [binary.MaxVarintLen64]byte
	at := 0
	for i, v := range lv {
		at += binary.PutUvarint(length[:], uint64(len(v)))
		given[i] = key[at : at+len(v)]
		at += len(v)
	}
	values := make([]string, len(lv))
	for i, from := range f.order {
		values[i] = given[from]
	}
	s := &Series{w: w, fam: f, values: values, prefix: appendPrefix(nil, f.name, f.labels, values)}
	f.series[key] = s
	w.cached++
	return s
}

// current returns the cached series with the values of s, which was dropped from the cache but kept by its caller.
func (s *Series) current() *Series {
	if s.now == nil || s.now.gone {
		fam := s.w.family(s.fam.decl)
		lv := make([]string, len(s.values))
		for i, from := range fam.order {
			lv[from] = s.values[i]
		}
		s.now = fam.lookup(s.w, lv)
	}
	return s.now
}
