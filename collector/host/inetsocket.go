package host

import (
	"bytes"
	"fmt"
)

// inetSocket is a line of /proc/net/tcp, udp and their siblings for IPv6 (net/ipv4/tcp_ipv4.c).
type inetSocket struct {
	state  uint64 // include/net/tcp_states.h
	tx, rx uint64 // bytes queued; of a listening socket, rx is connections waiting to be accepted
}

// parseInetSocket reads one line below the headings.
func parseInetSocket(line []byte) (s inetSocket, err error) {
	var field []byte
	rest := line
	for range 4 { // sl, local address, remote address, state
		field, rest = cutField(rest)
	}
	if s.state, err = parseHex(field); err != nil {
		return s, fmt.Errorf("state in %q: %w", line, err)
	}
	field, _ = cutField(rest)
	tx, rx, ok := bytes.Cut(field, []byte{':'})
	if !ok {
		return s, fmt.Errorf("no queues in %q", line)
	}
	if s.tx, err = parseHex(tx); err != nil {
		return s, fmt.Errorf("send queue in %q: %w", line, err)
	}
	if s.rx, err = parseHex(rx); err != nil {
		return s, fmt.Errorf("receive queue in %q: %w", line, err)
	}
	return s, nil
}

// inetSockets calls yield for each socket in such a file, which may have a hundred thousand.
func (s *sources) inetSockets(f *file, yield func(inetSocket)) error {
	headings := true
	return s.lines(f, func(line []byte) error {
		if headings {
			headings = false
			return nil
		}
		socket, err := parseInetSocket(line)
		if err != nil {
			return err
		}
		yield(socket)
		return nil
	})
}
