package host

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var (
	buddyBlocks   = gauge("node_buddyinfo_blocks", "Free blocks of 2 to the power of size pages.", "node", "zone", "size")
	buddyinfoArea = area{name: "buddyinfo", optIn: true, families: []*collector.Family{buddyBlocks}, open: openBuddyinfo}
)

const maxBuddySizes = 64 // of a zone; kernels have about 11

// parseBuddyinfo calls yield for each number of /proc/buddyinfo (mm/vmstat.c).
func parseBuddyinfo(b []byte, yield func(node, zone []byte, size int, blocks uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		node, zone, rest := cutZone(line)
		if node == nil {
			continue
		}
		var blocks [maxBuddySizes]uint64
		n, err := parseUints(rest, blocks[:])
		if err == nil && n == 0 {
			err = errors.New("no numbers")
		}
		if err != nil {
			return fmt.Errorf("/proc/buddyinfo: node %s, zone %s: %w", node, zone, err)
		}
		for size, v := range blocks[:n] {
			yield(node, zone, size, v)
		}
	}
	return nil
}

// cutZone takes apart a line that begins like "Node 0, zone   Normal"; node is nil for any other.
func cutZone(line []byte) (node, zone, rest []byte) {
	word, rest := cutField(line)
	if string(word) != "Node" {
		return nil, nil, nil
	}
	number, rest := cutField(rest)
	word, rest = cutField(rest)
	zone, rest = cutField(rest)
	if string(word) != "zone" || zone == nil {
		return nil, nil, nil
	}
	return bytes.TrimSuffix(number, []byte{','}), bytes.TrimSuffix(zone, []byte{','}), rest
}

func openBuddyinfo(s *sources) (reader, error) {
	f := s.proc("buddyinfo")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseBuddyinfo(b, func(node, zone []byte, size int, blocks uint64) {
			w.Add(buddyBlocks, float64(blocks), string(node), string(zone), strconv.Itoa(size))
		})
	}, nil
}
