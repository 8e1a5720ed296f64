package postgres

import (
	"cmp"
	"slices"

	"github.com/chronoops/chronoops/collector"
)

// ranking adds up groups of rows, tells apart those with the largest sums, and folds the rest into one.
type ranking struct {
	labels []string
	limit  int
	index  map[string]int
	groups []ranked
}

type ranked struct {
	values  []string
	sum     float64
	largest float64
}

func newRanking(labels []string, limit int) *ranking {
	return &ranking{labels: labels, limit: limit, index: make(map[string]int)}
}

func (r *ranking) add(values []string, sum, largest float64) {
	var key []byte
	for _, v := range values {
		key = append(append(key, v...), 0)
	}
	i, ok := r.index[string(key)]
	if !ok {
		i = len(r.groups)
		r.index[string(key)] = i
		r.groups = append(r.groups, ranked{values: slices.Clone(values)})
	}
	r.groups[i].sum += sum
	r.groups[i].largest = max(r.groups[i].largest, largest)
}

// write records the sum and the largest of each group.
func (r *ranking) write(out *samples, sum, largest *collector.Family) {
	slices.SortFunc(r.groups, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.sum, a.sum), slices.Compare(a.values, b.values))
	})
	if len(r.groups) > r.limit {
		rest := ranked{values: make([]string, len(r.labels))}
		for i := range rest.values {
			rest.values[i] = otherName
		}
		for _, g := range r.groups[r.limit:] {
			rest.sum += g.sum
			rest.largest = max(rest.largest, g.largest)
		}
		r.groups = append(r.groups[:r.limit], rest)
	}
	for _, g := range r.groups {
		out.put(sum, g.sum, g.values...)
		out.put(largest, g.largest, g.values...)
	}
}
