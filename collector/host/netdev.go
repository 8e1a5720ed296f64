package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var netdevArea = area{name: "netdev", families: netFamilies, open: openNetdev}

// netFields are the columns of /proc/net/dev (net/core/net-procfs.c).
const netFields = 16

// netFamilies are in the order of the columns; receive_nohandler, which only sysfs has, is the last.
var netFamilies = []*collector.Family{
	netCounter("receive_bytes", "Bytes received."),
	netCounter("receive_packets", "Packets received."),
	netCounter("receive_errs", "Packets received with errors."),
	netCounter("receive_drop", "Packets received and dropped, missed ones included."),
	netCounter("receive_fifo", "Packets lost in the receive queue."),
	netCounter("receive_frame", "Packets received with length, overrun, checksum or framing errors."),
	netCounter("receive_compressed", "Compressed packets received."),
	netCounter("receive_multicast", "Multicast packets received."),
	netCounter("transmit_bytes", "Bytes sent."),
	netCounter("transmit_packets", "Packets sent."),
	netCounter("transmit_errs", "Packets not sent because of errors."),
	netCounter("transmit_drop", "Packets dropped instead of sent."),
	netCounter("transmit_fifo", "Packets lost in the send queue."),
	netCounter("transmit_colls", "Collisions."),
	netCounter("transmit_carrier", "Packets not sent for lack of a carrier, heartbeat or window."),
	netCounter("transmit_compressed", "Compressed packets sent."),
	netCounter("receive_nohandler", "Packets received on an inactive device that nobody wanted."),
}

func netCounter(name, help string) *collector.Family {
	return counter("node_network_"+name+"_total", help, "device")
}

// parseNetDev calls yield for each device of /proc/net/dev.
func parseNetDev(b []byte, yield func(name []byte, values *[netFields]uint64)) error {
	for range 2 { // headings
		_, b = cutLine(b)
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		colon := bytes.LastIndexByte(line, ':') // a device name may have one too
		if colon < 0 {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			return fmt.Errorf("/proc/net/dev: no device in %q", line)
		}
		name := bytes.TrimSpace(line[:colon])
		var values [netFields]uint64
		n, err := parseUints(line[colon+1:], values[:])
		if err == nil && (n < netFields || len(name) == 0) {
			err = fmt.Errorf("%d fields, want %d", n, netFields)
		}
		if err != nil {
			return fmt.Errorf("/proc/net/dev: device %s: %w", name, err)
		}
		yield(name, &values)
	}
	return nil
}

func openNetdev(s *sources) (reader, error) {
	skip, err := s.o.NetDevs.only()
	if err != nil {
		return nil, err
	}
	s.openLinks()
	f := s.procNet("dev")
	return func(w *collector.Writer) error {
		if links, ok := s.readLinks(); ok {
			for _, l := range links {
				if !skip(l.name) {
					l.recordStats(w)
				}
			}
			return nil
		}
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseNetDev(b, func(name []byte, values *[netFields]uint64) {
			dev := string(name)
			if skip(dev) {
				return
			}
			for i, v := range values {
				w.Add(netFamilies[i], float64(v), dev)
			}
			if v, err := s.readNohandler(dev); err == nil {
				w.Add(netFamilies[netFields], float64(v), dev)
			} else if !errors.Is(err, fs.ErrNotExist) { // an alias has none, and a device may just have gone
				s.o.Logger.Debug("Cannot read statistics of network device", "device", dev, "err", err)
			}
		})
	}, nil
}

// recordStats sums counters up as the kernel does for /proc/net/dev (dev_seq_printf_stats in net/core/net-procfs.c).
func (l *link) recordStats(w *collector.Writer) {
	if l.nstats < statRxNohandler {
		return
	}
	st := &l.stats
	for i, v := range [netFields]uint64{
		st[statRxBytes],
		st[statRxPackets],
		st[statRxErrors],
		st[statRxDropped] + st[statRxMissedErrors],
		st[statRxFifoErrors],
		st[statRxLengthErrors] + st[statRxOverErrors] + st[statRxCRCErrors] + st[statRxFrameErrors],
		st[statRxCompressed],
		st[statMulticast],
		st[statTxBytes],
		st[statTxPackets],
		st[statTxErrors],
		st[statTxDropped],
		st[statTxFifoErrors],
		st[statCollisions],
		st[statTxCarrierErrors] + st[statTxAbortedErrors] + st[statTxWindowErrors] + st[statTxHeartbeatErrors],
		st[statTxCompressed],
	} {
		w.Add(netFamilies[i], float64(v), l.name)
	}
	if l.nstats > statRxNohandler {
		w.Add(netFamilies[netFields], float64(st[statRxNohandler]), l.name)
	}
}

func (s *sources) readNohandler(dev string) (n uint64, err error) {
	if strings.Contains(dev, "/") {
		return 0, fs.ErrNotExist
	}
	b, err := s.attributeAt(unix.AT_FDCWD, s.sysPath("class/net", dev, "statistics/rx_nohandler"))
	if err != nil {
		return 0, err
	}
	return parseUint(b)
}
