package host

import (
	"cmp"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// namedAtMost bounds the families whose names are made of what the kernel and its drivers call things.
const namedAtMost = 1000

// named are such families, by the word that they are made of: a family is known by its address.
type named struct {
	declared map[string]*collector.Family // by name
	families map[string]*collector.Family // by word; nil for what is not wanted
}

func newNamed(declared []*collector.Family) *named {
	n := &named{declared: make(map[string]*collector.Family, len(declared)), families: make(map[string]*collector.Family)}
	for _, f := range declared {
		n.declared[f.Name] = f
	}
	return n
}

// get returns the family of a word. For a new one it is what declare returns, nil if it is not wanted, or the declared
// family of the same name.
func (n *named) get(word []byte, declare func(word string) *collector.Family) *collector.Family {
	f, ok := n.families[string(word)]
	if !ok {
		if len(n.families) >= namedAtMost {
			clear(n.families) // those in use are made again
		}
		if f = declare(string(word)); f != nil {
			f = cmp.Or(n.declared[f.Name], f)
		}
		n.families[string(word)] = f
	}
	return f
}

func byName(a, b *collector.Family) int { return strings.Compare(a.Name, b.Name) }
