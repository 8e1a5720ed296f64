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

	Missing   []string    `json:"missing"` // families that only they have
	Different []Different `json:"different"`
	Own       []string    `json:"own"` // families that only we have
}

// Different is a family that both have, with other labels or another type.
type Different struct {
	Theirs string `json:"theirs"`
	Ours   string `json:"ours"`
}

// judge compares two sides.
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
			r.Different = append(r.Different, Different{Theirs: t, Ours: o})
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

// group is families that differ in the same way.
type group struct {
	what  string
	names []string
}

// alike groups families by how ours differ.
func alike(all []Different) []group {
	var groups []group
	for _, d := range all {
		name, mine, myType := split(d.Ours)
		_, other, otherType := split(d.Theirs)
		var what []string
		for _, change := range []struct {
			word   string
			labels []string
		}{{"with", without(mine, other)}, {"without", without(other, mine)}} {
			if len(change.labels) > 0 {
				what = append(what, change.word+" "+strings.Join(change.labels, ", "))
			}
		}
		if myType != otherType {
			what = append(what, "as "+myType+" instead of "+otherType)
		}
		text := strings.Join(what, " and ")
		i := slices.IndexFunc(groups, func(g group) bool { return g.what == text })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{what: text})
		}
		groups[i].names = append(groups[i].names, name)
	}
	return groups
}

// split takes name{a,b} type apart.
func split(family string) (name string, labels []string, kind string) {
	name, rest, _ := strings.Cut(family, "{")
	list, kind, _ := strings.Cut(rest, "} ")
	if list != "" {
		labels = strings.Split(list, ",")
	}
	return name, labels, kind
}

func without(labels, others []string) []string {
	var left []string
	for _, l := range labels {
		if !slices.Contains(others, l) {
			left = append(left, "`"+l+"`")
		}
	}
	return left
}
