package host

import (
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var conntrackArea = area{name: "conntrack", families: conntrackFamilies, open: openConntrack}

var (
	conntrackEntries = gauge("node_nf_conntrack_entries", "Connections that are tracked.")
	conntrackLimit   = gauge("node_nf_conntrack_entries_limit", "Most connections that can be tracked.")
)

// conntrackStats are columns of /proc/net/stat/nf_conntrack (net/netfilter/nf_conntrack_standalone.c), which has a
// line for each CPU.
var conntrackStats = []struct {
	family *collector.Family
	column int
}{
	{gauge("node_nf_conntrack_stat_found", "Searches that found an entry."), 2},
	{gauge("node_nf_conntrack_stat_invalid", "Packets that could not be tracked."), 4},
	{gauge("node_nf_conntrack_stat_ignore", "Packets of connections that were tracked already."), 5},
	{gauge("node_nf_conntrack_stat_insert", "Entries inserted."), 8},
	{gauge("node_nf_conntrack_stat_insert_failed", "Entries that could not be inserted, mostly because they were there already."), 9},
	{gauge("node_nf_conntrack_stat_drop", "Packets dropped because tracking them failed."), 10},
	{gauge("node_nf_conntrack_stat_early_drop", "Entries dropped to make room for new ones."), 11},
	{gauge("node_nf_conntrack_stat_search_restart", "Searches begun again because the table was resized."), 16},
}

var conntrackFamilies = func() []*collector.Family {
	fs := []*collector.Family{conntrackEntries, conntrackLimit}
	for _, s := range conntrackStats {
		fs = append(fs, s.family)
	}
	return fs
}()

const (
	conntrackFields  = 17
	conntrackAtLeast = 16 // before Linux 2.6.35
)

// parseConntrack returns the sums of the columns, except for the first, which is the same in each line.
func parseConntrack(b []byte) (sums [conntrackFields]uint64, err error) {
	_, b = cutLine(b) // headings
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		var values [conntrackFields]uint64
		n, err := parseHexes(line, values[:])
		if err == nil && n < conntrackAtLeast {
			err = fmt.Errorf("%d fields, want %d", n, conntrackAtLeast)
		}
		if err != nil {
			return sums, fmt.Errorf("/proc/net/stat/nf_conntrack: %w", err)
		}
		entries := values[0]
		for i, v := range values {
			sums[i] += v
		}
		sums[0] = entries
	}
	return sums, nil
}

func openConntrack(s *sources) (reader, error) {
	foreign := s.network == foreignNetwork
	count := numberFile{s.sysctl("net/netfilter/nf_conntrack_count"), conntrackEntries}
	limit := numberFile{s.sysctl("net/netfilter/nf_conntrack_max"), conntrackLimit}
	stat := s.procNet("stat/nf_conntrack")
	return func(w *collector.Writer) error {
		if !foreign { // below /proc/sys is always this process's own network
			if err := s.recordNumbers(w, count); err != nil {
				return err
			}
		}
		if err := s.recordNumbers(w, limit); err != nil {
			return err
		}
		b, err := s.content(stat)
		if err != nil {
			return err
		}
		sums, err := parseConntrack(b)
		if err != nil {
			return err
		}
		if foreign {
			w.Add(conntrackEntries, float64(sums[0]))
		}
		for _, c := range conntrackStats {
			w.Add(c.family, float64(sums[c.column]))
		}
		return nil
	}, nil
}
