package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var sockstatArea = area{name: "sockstat", families: sockstatFamilies, open: openSockstat}

var sockstatFamilies = []*collector.Family{
	sockstatFamily("FRAG6_inuse", "IPv6 packets being put together from fragments."),
	sockstatFamily("FRAG6_memory", "Memory of IPv6 fragments, in bytes."),
	sockstatFamily("FRAG_inuse", "IPv4 packets being put together from fragments."),
	sockstatFamily("FRAG_memory", "Memory of IPv4 fragments, in bytes."),
	sockstatFamily("RAW6_inuse", "Raw IPv6 sockets."),
	sockstatFamily("RAW_inuse", "Raw IPv4 sockets."),
	sockstatFamily("TCP6_inuse", "TCP sockets of IPv6, those in TIME-WAIT left out."),
	sockstatFamily("TCP_alloc", "TCP sockets allocated, in all states and of both IP versions."),
	sockstatFamily("TCP_inuse", "TCP sockets of IPv4, those in TIME-WAIT left out."),
	sockstatFamily("TCP_mem", "Memory of TCP buffers, in pages."),
	sockstatFamily("TCP_mem_bytes", "Memory of TCP buffers."),
	sockstatFamily("TCP_orphan", "TCP sockets that no process holds any more."),
	sockstatFamily("TCP_tw", "TCP sockets in TIME-WAIT."),
	sockstatFamily("UDP6_inuse", "UDP sockets of IPv6."),
	sockstatFamily("UDPLITE6_inuse", "UDP-Lite sockets of IPv6."),
	sockstatFamily("UDPLITE_inuse", "UDP-Lite sockets of IPv4."),
	sockstatFamily("UDP_inuse", "UDP sockets of IPv4."),
	sockstatFamily("UDP_mem", "Memory of UDP buffers, in pages."),
	sockstatFamily("UDP_mem_bytes", "Memory of UDP buffers."),
	sockstatFamily("sockets_used", "Sockets of all kinds."),
}

const sockstatPrefix = "node_sockstat_"

func sockstatFamily(key, help string) *collector.Family { return gauge(sockstatPrefix+key, help) }

// sockstatWords are what the kernel counts of a protocol.
var sockstatWords = []string{"alloc", "inuse", "mem", "mem_bytes", "memory", "orphan", "tw", "used"}

// sockstatFamilyOf returns the family of PROTOCOL_WORD, nil if it is not taken.
func sockstatFamilyOf(key string) *collector.Family {
	protocol, word, _ := strings.Cut(key, "_")
	if !slices.Contains(sockstatWords, word) || protocol == "sockets" && key != "sockets_used" {
		return nil
	}
	return sockstatFamily(key, "The kernel's figure "+word+" of the sockets of "+protocol+".")
}

// parseSockstat calls yield for each pair of word and number in /proc/net/sockstat or sockstat6 (net/ipv4/proc.c,
// net/ipv6/proc.c).
func parseSockstat(b []byte, yield func(protocol, word []byte, value int64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		protocol, rest := cutField(line)
		protocol, ok := bytes.CutSuffix(protocol, []byte{':'})
		if !ok {
			return fmt.Errorf("no protocol in %q", line)
		}
		for {
			var word, value []byte
			if word, rest = cutField(rest); word == nil {
				break
			}
			value, rest = cutField(rest)
			n, err := parseInt(value)
			if err != nil {
				return fmt.Errorf("%s %s: %w", protocol, word, err)
			}
			yield(protocol, word, n)
		}
	}
	return nil
}

func openSockstat(s *sources) (reader, error) {
	families := newNamed(sockstatFamilies)
	files := []*file{s.procNet("sockstat"), s.procNet("sockstat6")}
	var key []byte
	return func(w *collector.Writer) error {
		add := func(protocol, word []byte, suffix string, v int64) {
			key = append(append(append(append(key[:0], protocol...), '_'), word...), suffix...)
			if f := families.get(key, sockstatFamilyOf); f != nil {
				w.Add(f, float64(v))
			}
		}
		missing := 0
		for _, f := range files {
			b, err := s.content(f)
			if errors.Is(err, fs.ErrNotExist) {
				missing++ // without this version of IP
				continue
			} else if err != nil {
				return err
			}
			err = parseSockstat(b, func(protocol, word []byte, v int64) {
				add(protocol, word, "", v)
				if string(word) == "mem" {
					add(protocol, word, "_bytes", v*s.pageSize)
				}
			})
			if err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
		}
		if missing == len(files) {
			return collector.ErrNoData
		}
		return nil
	}, nil
}
