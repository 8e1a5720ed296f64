package postgres

import "time"

// otherName stands for all the names that got no series of their own.
const otherName = "other"

// folder admits a bounded number of distinct names and folds the rest into "other". A name once admitted keeps its
// place for keep after it was seen last, so that series do not come and go with the load.
type folder struct {
	limit    int
	keep     time.Duration
	admitted map[string]time.Time // when it was seen last
}

func newFolder(limit int, keep time.Duration) *folder {
	return &folder{limit: limit, keep: keep, admitted: make(map[string]time.Time)}
}

// name returns s or "other". The empty name is always itself.
func (f *folder) name(s string, now time.Time) string {
	if s == "" {
		return s
	}
	if _, ok := f.admitted[s]; !ok && len(f.admitted) >= f.limit && !f.evict(now) {
		return otherName
	}
	f.admitted[s] = now
	return s
}

// evict forgets the names that have not been seen for long and reports whether there were any.
func (f *folder) evict(now time.Time) bool {
	found := false
	for name, seen := range f.admitted {
		if now.Sub(seen) > f.keep {
			delete(f.admitted, name)
			found = true
		}
	}
	return found
}
