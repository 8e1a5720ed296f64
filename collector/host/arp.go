package host

import (
	"bytes"
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var arpArea = area{name: "arp", families: []*collector.Family{arpEntries}, open: openARP}

var arpEntries = gauge("node_arp_entries", "Entries of the ARP table, without those that are published for others.", "device")

// arpPublished marks an entry that is answered for others (ATF_PUBL in include/uapi/linux/if_arp.h).
const arpPublished = 0x08

// parseARP calls yield with the device of a line of /proc/net/arp (net/ipv4/arp.c) below the headings.
func parseARP(line []byte, yield func(device []byte)) error {
	var fields [6][]byte // IP address, hardware type, flags, hardware address, mask, device
	for i := range fields {
		fields[i], line = cutField(line)
	}
	if fields[0] == nil {
		return nil
	}
	device := fields[len(fields)-1]
	hex, ok := bytes.CutPrefix(fields[2], []byte("0x"))
	if !ok || device == nil {
		return fmt.Errorf("address %s: a line without flags or device", fields[0])
	}
	flags, err := parseHex(hex)
	if err != nil {
		return fmt.Errorf("address %s: flags: %w", fields[0], err)
	}
	if flags&arpPublished == 0 {
		yield(device)
	}
	return nil
}

func openARP(s *sources) (reader, error) {
	skip, err := s.o.ARP.only()
	if err != nil {
		return nil, err
	}
	f := s.procNet("arp")
	entries := make(map[string]*int) // by device
	count := func(device []byte) {
		n := entries[string(device)]
		if n == nil {
			n = new(int)
			entries[string(device)] = n
		}
		*n++
	}
	return func(w *collector.Writer) error {
		for device, n := range entries {
			if *n == 0 { // gone since the collection before last
				delete(entries, device)
			}
			*n = 0
		}
		headings := true
		err := s.lines(f, func(line []byte) error {
			if headings {
				headings = false
				return nil
			}
			return parseARP(line, count)
		})
		if err != nil {
			return err
		}
		for device, n := range entries {
			if *n > 0 && !skip(device) {
				w.Add(arpEntries, float64(*n), device)
			}
		}
		return nil
	}, nil
}
