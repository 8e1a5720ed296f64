package collector

import dto "github.com/prometheus/client_model/go"

// queue hands out the families of one result by name: its groups, or those that were passed on.
type queue struct {
	groups   []group
	gathered []*dto.MetricFamily
}

func (q *queue) empty() bool { return len(q.groups) == 0 && len(q.gathered) == 0 }

// name is that of the next family.
func (q *queue) name() string {
	if len(q.groups) > 0 {
		return q.groups[0].fam.name
	}
	return q.gathered[0].GetName()
}

func (q *queue) take() entry {
	if len(q.groups) > 0 {
		g := q.groups[0]
		q.groups = q.groups[1:]
		return entry{name: g.fam.name, fam: g.fam, samples: g.samples, renamed: g.fam.alias}
	}
	mf := q.gathered[0]
	q.gathered = q.gathered[1:]
	return entry{name: mf.GetName(), dto: mf}
}

// mergeQueues appends what is in the queues by name, of equal names that of the first queue first. Queues mostly have
// names of their own kind (node_, pg_), so that long runs come from one of them.
func mergeQueues(entries []entry, queues []queue) []entry {
	for {
		from, limit, limited := -1, "", false // the queue with the least name, and the least name of the others
		for i := range queues {
			switch {
			case queues[i].empty():
			case from < 0:
				from = i
			case queues[i].name() < queues[from].name():
				limit, limited = queues[from].name(), true
				from = i
			case !limited || queues[i].name() < limit:
				limit, limited = queues[i].name(), true
			}
		}
		if from < 0 {
			return entries
		}
		q := &queues[from]
		entries = append(entries, q.take())
		for !q.empty() && (!limited || q.name() < limit) {
			entries = append(entries, q.take())
		}
	}
}
