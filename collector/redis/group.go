package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// Group is the servers that a cluster's node or a sentinel names. It implements collector.Finder.
type Group struct {
	cfg   Config
	now   func() time.Time
	allow []allowed

	mu     sync.Mutex
	nodes  []node                // that may be contacted
	chosen map[string]string     // by shard, the one that is asked about keys
	counts map[[2]string]float64 // of all, by role and state
	found  time.Time
}

// newGroup returns the servers of a target with cluster or sentinel, without connecting to any.
func newGroup(o Options) (*Group, error) {
	allow, err := o.Config.allowed()
	return &Group{cfg: o.Config, now: o.Now, allow: allow}, err
}

// Open returns a collector for one of the servers.
func (g *Group) Open(address string) (collector.Collector, func(), error) {
	n, ok := g.node(address)
	if !ok {
		return nil, nil, fmt.Errorf("%s is not among the servers of redis target %q", address, g.cfg.Name)
	}
	c, err := newCollector(g.cfg.of(n), g.now)
	if err != nil {
		return nil, nil, err
	}
	c.place = member{g, address}
	return c, c.Close, nil
}

func (g *Group) node(address string) (node, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.nodes, func(n node) bool { return n.address == address })
	if i < 0 {
		return node{}, false
	}
	return g.nodes[i], true
}

// member is the place of one server in its group.
type member struct {
	group   *Group
	address string
}

func (m member) asksForKeys() bool {
	n, ok := m.group.node(m.address)
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	return ok && m.group.chosen[n.shard] == m.address
}

func (m member) owns(key string) bool {
	n, ok := m.group.node(m.address)
	return ok && n.owns(key)
}

// Find asks the target's server, or failing that one found before, which others there are. Those that may not be
// contacted are left out.
func (g *Group) Find(ctx context.Context) ([]collector.Member, error) {
	nodes, hosts, err := g.ask(ctx, access{Config: g.cfg})
	if err != nil {
		nodes, hosts, err = g.askOthers(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	allowedNodes := slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return !g.allows(n, hosts) })
	g.mu.Lock()
	g.nodes, g.found = allowedNodes, g.now()
	g.counts = count(nodes, allowedNodes)
	g.chosen = choose(allowedNodes, g.cfg.KeyChecks.withDefaults().From)
	g.mu.Unlock()
	var members []collector.Member
	for _, n := range allowedNodes {
		members = append(members, collector.Member{
			Address: n.address, Itself: n.itself,
			Labels: map[string]string{"__meta_chronoops_group": g.cfg.Name, "__meta_chronoops_role": n.role},
		})
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("none of the %d servers that redis target %q names may be contacted: list them under nodes.allow", len(nodes), g.cfg.Name)
	}
	return members, nil
}

// The states of a node.
const (
	stateOK      = "ok"
	stateFailing = "failing"
	stateRefused = "refused"
)

func count(all, allowed []node) map[[2]string]float64 {
	counts := make(map[[2]string]float64)
	for _, n := range all {
		state := stateOK
		switch {
		case !slices.ContainsFunc(allowed, func(a node) bool { return a.address == n.address }):
			state = stateRefused
		case n.failing:
			state = stateFailing
		}
		counts[[2]string{n.role, state}]++
	}
	return counts
}

// summary returns how many servers the last search found, by role and state, and how long ago that was in seconds.
func (g *Group) summary(now time.Time) (counts map[[2]string]float64, age float64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts, max(0, now.Sub(g.found).Seconds()), g.counts != nil
}

// askOthers asks servers found before, which must be able to tell: nodes of a cluster, or sentinels.
func (g *Group) askOthers(ctx context.Context, first error) (nodes []node, hosts []string, err error) {
	g.mu.Lock()
	known := slices.Clone(g.nodes)
	g.mu.Unlock()
	for _, n := range known {
		if n.failing || (n.role == roleSentinel) != (g.cfg.Sentinel != nil) {
			continue
		}
		one := g.cfg.of(n)
		one.Cluster, one.Sentinel = g.cfg.Cluster, g.cfg.Sentinel
		if nodes, hosts, err = g.ask(ctx, one); err == nil {
			for i := range nodes {
				nodes[i].itself = false // the target's own server is another
			}
			return nodes, hosts, nil
		}
	}
	return nil, nil, first
}

// allows reports whether a node may be contacted; hosts are what the server that names it is called.
func (g *Group) allows(n node, hosts []string) bool {
	if len(g.allow) == 0 {
		at, _, err := net.SplitHostPort(n.address)
		return err == nil && slices.Contains(hosts, at)
	}
	return slices.ContainsFunc(g.allow, func(a allowed) bool { return a.matches(n.address) })
}
