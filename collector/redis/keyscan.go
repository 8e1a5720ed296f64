package redis

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// scans are the first steps of a walk over databases.
func (c *Collector) scans(r *results, s *scrape) (steps []step) {
	plan := c.keys.plan
	for _, sc := range plan.scans {
		r.counts[sc.keyName] = 0
		steps = append(steps, plan.scan(r, sc, "0"))
	}
	if len(plan.groups) == 0 {
		return steps
	}
	for db := range min(c.databases(s), mostDatabases) {
		r.groups[db] = newGroupTally(plan.budget.MaxGroups)
	}
	s.info.each("Keyspace", func(key, _ string) {
		if db, err := strconv.Atoi(strings.TrimPrefix(key, "db")); err == nil && r.groups[db] != nil {
			steps = append(steps, plan.scan(r, scan{keyName{db: db}, wantGroup}, "0"))
		}
	})
	return steps
}

// scan goes over one batch of a database's keys.
func (p *keyPlan) scan(r *results, sc scan, from string) step {
	args := []any{"SCAN", from}
	if sc.name != "" {
		args = append(args, "MATCH", sc.name)
	}
	return step{
		db: sc.db, commands: [][]any{append(args, "COUNT", p.budget.Batch)}, cost: p.budget.Batch,
		done: func(replies []cursor) ([]step, error) {
			if err := failure(replies[0].rest); err != nil {
				return nil, refusedError("SCAN", err)
			}
			whole := replies[0].take()
			whole.head()
			to := whole.text()
			var names []string
			whole.elements(func(key cursor) { names = append(names, key.text()) })
			steps := p.found(r, sc, names)
			if to != "0" && to != "" {
				steps = append(steps, p.scan(r, sc, strings.Clone(to)))
			}
			return steps, nil
		},
	}
}

// found takes the keys that a batch brought.
func (p *keyPlan) found(r *results, sc scan, names []string) (steps []step) {
	if sc.want&wantCount != 0 {
		r.counts[sc.keyName] += float64(len(names))
	}
	if sc.want&wantGroup != 0 && len(names) > 0 {
		return []step{p.weigh(r, sc.db, names)}
	}
	want := sc.want & (wantKey | wantStream)
	if want == 0 {
		return nil
	}
	for _, name := range names {
		k := keyName{sc.db, name}
		have, seen := r.seen[k]
		missing := want &^ have &^ p.wantedByName(k)
		switch {
		case missing == 0:
			continue
		case !seen && len(r.seen) >= p.budget.MaxKeys:
			r.leftOut++
			continue
		case !seen:
			k.name = strings.Clone(name)
		}
		r.seen[k] = have | missing
		steps = append(steps, p.look(r, lookup{k, missing}))
	}
	return steps
}

// wantedByName returns what is asked about the key because it is named in the configuration.
func (p *keyPlan) wantedByName(k keyName) purpose {
	for _, l := range p.named {
		if l.keyName == k {
			return l.want
		}
	}
	return 0
}

// sumUp turns what was counted into samples.
func (p *keyPlan) sumUp(r *results) {
	for _, sc := range p.scans {
		if n, ok := r.counts[sc.keyName]; ok && sc.want&wantCount != 0 {
			r.add(partKeys, keysCount, n, dbLabel(sc.db), sc.name)
		}
	}
	for _, db := range slices.Sorted(maps.Keys(r.groups)) {
		r.groups[db].sumUp(r, dbLabel(db))
	}
}
