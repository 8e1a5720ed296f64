package host

import "github.com/chronoops/chronoops/collector"

// held keeps the series of a key, such as a CPU's number, between collections: to find thousands of series by their
// labels costs more than to read their values.
type held[K comparable] struct {
	of func(w *collector.Writer, key K) []*collector.Series // makes the series of a key

	w      *collector.Writer // that the series belong to
	series map[K][]*collector.Series
}

// get returns the series of a key.
func (h *held[K]) get(w *collector.Writer, key K) []*collector.Series {
	if h.w != w {
		h.w, h.series = w, make(map[K][]*collector.Series)
	}
	s, ok := h.series[key]
	if !ok {
		s = h.of(w, key)
		h.series[key] = s
	}
	return s
}
