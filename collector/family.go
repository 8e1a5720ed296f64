package collector

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// family is a Family made ready for recording: names valid, labels sorted, comment lines rendered.
type family struct {
	decl   *Family
	name   string
	help   string
	typ    Type
	labels []string // valid label names, sorted
	order  []int    // labels[i] takes the value at order[i] of the caller
	header []byte   // the HELP and TYPE lines
	former *family  // what it is exposed as under its legacy name, nil for most
	alias  bool     // it is the former of another: it has no labels and series of its own

	seq    uint64             // order of first use
	series map[string]*Series // by the caller's label values, see appendKey
	count  int                // samples recorded in this collection
	next   int                // where finish puts the next sample
}

// newFamily panics if f can never be exposed: that is a mistake in the program, found by its first test.
func newFamily(f *Family) *family {
	if f.Name == "" {
		panic("collector: a family has no name")
	}
	if f.Type == Histogram || f.Type == Summary {
		panic("collector: " + f.Name + " is a " + f.Type.String() + ": hand it over with Writer.Gather")
	}
	fam := &family{
		decl:   f,
		name:   validMetricName(f.Name),
		help:   strings.ToValidUTF8(f.Help, "\uFFFD"),
		typ:    f.Type,
		labels: make([]string, len(f.Labels)),
		order:  make([]int, len(f.Labels)),
		series: make(map[string]*Series),
	}
	names := make([]string, len(f.Labels))
	for i, l := range f.Labels {
		if l == "" || l == model.MetricNameLabel {
			panic(fmt.Sprintf("collector: %s has the label name %q", f.Name, l))
		}
		names[i] = validLabelName(l)
		fam.order[i] = i
	}
	slices.SortStableFunc(fam.order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	for i, from := range fam.order {
		fam.labels[i] = names[from]
		if i > 0 && fam.labels[i-1] == fam.labels[i] {
			panic(fmt.Sprintf("collector: %s has the label %q twice", f.Name, fam.labels[i]))
		}
	}
	fam.header = appendHeader(nil, fam.name, fam.help, fam.typ.String())
	if f.Legacy != "" {
		fam.former = newFormer(fam, f.Legacy)
	}
	return fam
}

func newFormer(fam *family, legacy string) *family {
	f := &family{decl: fam.decl, name: validMetricName(legacy), help: "Former name of " + fam.name + ".", typ: fam.typ, alias: true}
	if f.name == fam.name {
		panic("collector: " + fam.name + " is its own legacy name")
	}
	f.header = appendHeader(nil, f.name, f.help, f.typ.String())
	return f
}

// appendHeader appends the comment lines that open a family in the text format.
func appendHeader(b []byte, name, help, typ string) []byte {
	if help != "" {
		b = append(b, "# HELP "...)
		b = append(b, name...)
		b = append(b, ' ')
		b = appendEscaped(b, help, false)
		b = append(b, '\n')
	}
	b = append(b, "# TYPE "...)
	b = append(b, name...)
	b = append(b, ' ')
	b = append(b, typ...)
	return append(b, '\n')
}

// appendPrefix appends `name{labels} `, which is also what identifies a series.
func appendPrefix(b []byte, name string, labels, values []string) []byte {
	b = append(b, name...)
	if len(labels) > 0 {
		sep := byte('{')
		for i, l := range labels {
			b = append(b, sep)
			b = append(b, l...)
			b = append(b, '=', '"')
			b = appendEscaped(b, values[i], true)
			b = append(b, '"')
			sep = ','
		}
		b = append(b, '}')
	}
	return append(b, ' ')
}

func appendEscaped(b []byte, s string, quotes bool) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		if c != '\\' && c != '\n' && (c != '"' || !quotes) {
			continue
		}
		b = append(b, s[from:i]...)
		if c == '\n' {
			c = 'n'
		}
		b = append(b, '\\', c)
		from = i + 1
	}
	return append(b, s[from:]...)
}

// validMetricName replaces what old servers refuse in a name; names taken from a server's settings may hold anything.
func validMetricName(s string) string { return validName(s, true) }

func validLabelName(s string) string { return validName(s, false) }

func validName(s string, colon bool) string {
	ok := func(i int, r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == ':' && colon || r >= '0' && r <= '9' && i > 0
	}
	for i, r := range s {
		if ok(i, r) {
			continue
		}
		b := []byte(s[:i])
		for j, r := range s[i:] {
			if ok(i+j, r) {
				b = append(b, byte(r))
			} else {
				b = append(b, '_')
			}
		}
		return string(b)
	}
	return s
}
