package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var tcpstatArea = area{name: "tcpstat", optIn: true, families: []*collector.Family{tcpStates}, open: openTCPStat}

var tcpStates = gauge("node_tcp_connection_states",
	"TCP sockets in each state, and under rx_queued_bytes and tx_queued_bytes what stands in their queues.", "state")

// tcpStateNames are by number (include/net/tcp_states.h).
var tcpStateNames = [...]string{
	"unknown", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait",
	"last_ack", "listen", "closing",
}

const tcpAllStates = 1<<len(tcpStateNames) - 1

// tcpCounts are the sockets of one collection.
type tcpCounts struct {
	states [len(tcpStateNames)]int // the first is any state without a name
	all    int
	tx, rx float64
}

func (c *tcpCounts) add(s inetSocket) {
	if s.state >= uint64(len(c.states)) {
		s.state = 0
	}
	c.states[s.state]++
	c.all++
	c.tx += float64(s.tx)
	c.rx += float64(s.rx)
}

func (c *tcpCounts) record(w *collector.Writer) {
	if c.all == 0 {
		return
	}
	for state, n := range c.states {
		if n > 0 {
			w.Add(tcpStates, float64(n), tcpStateNames[state])
		}
	}
	w.Add(tcpStates, c.rx, "rx_queued_bytes")
	w.Add(tcpStates, c.tx, "tx_queued_bytes")
}

// Layouts of include/uapi/linux/inet_diag.h.
const (
	diagRequestSize = 56 // struct inet_diag_req_v2
	diagMessageSize = 72 // struct inet_diag_msg
	diagRxQueue     = 56
	diagTxQueue     = 60
)

// diagRequest asks for all TCP sockets of an address family (sock_diag(7)).
func diagRequest(family uint8) []byte {
	b := make([]byte, diagRequestSize)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], tcpAllStates)
	return b
}

// parseDiag reads a socket of the answer.
func parseDiag(b []byte) (s inetSocket, err error) {
	if len(b) < diagMessageSize {
		return s, fmt.Errorf("TCP socket: message of %d bytes", len(b))
	}
	return inetSocket{
		state: uint64(b[1]),
		rx:    uint64(binary.NativeEndian.Uint32(b[diagRxQueue:])),
		tx:    uint64(binary.NativeEndian.Uint32(b[diagTxQueue:])),
	}, nil
}

func openTCPStat(s *sources) (reader, error) {
	var conn *netlink
	if s.network == ownNetwork {
		conn = s.netlink(unix.NETLINK_SOCK_DIAG)
	}
	requests := [][]byte{diagRequest(unix.AF_INET), diagRequest(unix.AF_INET6)}
	files := []*file{s.procNet("tcp"), s.procNet("tcp6")}

	// A list that is read again begins with what was counted before it.
	diag := func() (counts tcpCounts, ok bool) {
		for _, request := range requests {
			before := counts
			ok := s.listNetlink(conn, unix.SOCK_DIAG_BY_FAMILY, request, func() { counts = before }, func(item []byte) error {
				socket, err := parseDiag(item)
				if err == nil {
					counts.add(socket)
				}
				return err
			})
			if !ok {
				return counts, false
			}
		}
		return counts, true
	}
	return func(w *collector.Writer) error {
		if conn != nil {
			if counts, ok := diag(); ok {
				counts.record(w)
				return nil
			}
		}
		var counts tcpCounts
		missing := 0
		for _, f := range files {
			err := s.inetSockets(f, counts.add)
			if errors.Is(err, fs.ErrNotExist) {
				missing++ // without this version of IP
			} else if err != nil {
				return err
			}
		}
		if missing == len(files) {
			return collector.ErrNoData
		}
		counts.record(w)
		return nil
	}, nil
}
