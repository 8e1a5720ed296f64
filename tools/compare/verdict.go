package main

import (
	"slices"
	"strings"
)

// Contest is the outcome of a contest.
type Contest struct {
	Name    string             `json:"name"`
	About   string             `json:"about"`
	Scrapes int                `json:"scrapes"`
	Theirs  Measured           `json:"theirs"`
	Ours    Measured           `json:"ours"`
	Ratios  map[string]float64 `json:"ratios"` // ours by theirs

	Missing   []string `json:"missing"`   // families that only they have
	Different []string `json:"different"` // of one name, with other labels or another type
	Own       []string `json:"own"`       // families that only we have
}

// judge compares two sides. Labels that only one machine's hardware brings forth make no difference here: both watch the same.
func judge(c contest, n int, theirs, ours Measured) Contest {
	r := Contest{Name: c.name, About: c.about, Scrapes: n, Theirs: theirs, Ours: ours, Ratios: make(map[string]float64)}
	for name, v := range ours.Values {
		if t := theirs.Values[name]; t != 0 {
			r.Ratios[name] = v / t
		}
	}
	mine := byName(ours.Families)
	for _, t := range theirs.Families {
		name := familyName(t)
		switch o := mine[name]; {
		case o == "":
			r.Missing = append(r.Missing, name)
		case o != t:
			r.Different = append(r.Different, o+" for "+t)
		}
		delete(mine, name)
	}
	for name := range mine {
		r.Own = append(r.Own, name)
	}
	slices.Sort(r.Missing)
	slices.Sort(r.Own)
	return r
}

func familyName(family string) string {
	name, _, _ := strings.Cut(family, "{")
	return name
}

func byName(families []string) map[string]string {
	m := make(map[string]string, len(families))
	for _, f := range families {
		m[familyName(f)] = f
	}
	return m
}
