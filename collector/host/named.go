package host

import "github.com/chronoops/chronoops/collector"

// named finds the families whose names are made of the kernel's own words. Which of them are wanted is decided once
// for each.
type named struct {
	families map[string]*collector.Family // nil for what is not wanted
	decide   func(key string) *collector.Family
}

// newNamed returns a named that knows nothing yet; decide returns nil for what is not wanted.
func newNamed(decide func(key string) *collector.Family) *named {
	return &named{families: make(map[string]*collector.Family), decide: decide}
}

func (n *named) get(key []byte) *collector.Family {
	f, ok := n.families[string(key)]
	if !ok {
		f = n.decide(string(key))
		n.families[string(key)] = f
	}
	return f
}
