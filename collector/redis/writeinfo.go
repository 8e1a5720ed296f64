package redis

import (
	"github.com/chronoops/chronoops/collector"
)

func infoFamilies() []*collector.Family {
	families := append(replicationFamilies(), startTime, ioThreadTime)
	for _, table := range tables() {
		for _, f := range table {
			families = append(families, f.family)
		}
	}
	return families
}

// writeInfo records the fields of all sections that have no part of their own.
func (c *Collector) writeInfo(w *collector.Writer, s *scrape) error {
	for _, sec := range s.info {
		if sec.tallies() {
			continue
		}
		for line := sec.scan(); line.next(); {
			switch {
			case sec.name == "Replication" && replication(w, &s.id, line.key, line.value):
			case ioThread(w, line.key, line.value):
			default:
				if f, ok := c.fields[line.key]; ok {
					f.add(w, line.value)
				}
			}
		}
	}
	if s.id.role == "slave" {
		w.Add(replicaInfo, 1, s.id.primaryHost, s.id.primaryPort, s.id.readOnly)
	}
	if s.id.hasUptime {
		w.Add(startTime, c.started.time(&s.id, s.now))
	}
	return nil
}
