package host

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// madeAtMost bounds the families whose names are made from what drivers call their files.
const madeAtMost = 1000

// made are families that the host names, by name: a family is known by its address.
type made map[string]*collector.Family

// newMade returns a map that has the declared families already.
func newMade(declared []*collector.Family) made {
	m := make(made, len(declared))
	for _, f := range declared {
		m[f.Name] = f
	}
	return m
}

// get returns the family of that name, which declare makes if it is the first.
func (m made) get(name string, declare func() *collector.Family) *collector.Family {
	f, ok := m[name]
	if !ok {
		if len(m) >= madeAtMost {
			clear(m) // those in use are made again
		}
		f = declare()
		m[name] = f
	}
	return f
}

func byName(a, b *collector.Family) int { return strings.Compare(a.Name, b.Name) }
