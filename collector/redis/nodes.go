package redis

import "github.com/chronoops/chronoops/collector"

var (
	nodeCount = &collector.Family{
		Name: "chronoops_redis_nodes", Type: collector.Gauge, Labels: []string{"role", "state"},
		Help: "Servers that a cluster's node or a sentinel named: ok, failing in its view, or refused because the configuration does " +
			"not allow to contact them.",
	}
	nodesAge = &collector.Family{
		Name: "chronoops_redis_nodes_age_seconds", Type: collector.Gauge, Help: "Seconds since the servers were last asked for.",
	}
)

func nodeFamilies() []*collector.Family { return []*collector.Family{nodeCount, nodesAge} }

// writeNodes records what the last search found, if there was one.
func (c *Collector) writeNodes(w *collector.Writer, s *scrape) error {
	if c.group == nil {
		return nil
	}
	counts, age, ok := c.group.summary(s.now)
	if !ok {
		return nil
	}
	for _, role := range []string{rolePrimary, roleReplica, roleSentinel} {
		for _, state := range []string{stateOK, stateFailing, stateRefused} {
			w.Add(nodeCount, counts[[2]string{role, state}], role, state)
		}
	}
	w.Add(nodesAge, age)
	return nil
}
