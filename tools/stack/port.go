package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
)

// Servers get ports below those that the kernel hands out: no connection takes the port of one that restarts, and nobody
// who asks for the port of one that is down connects to himself.
const (
	lowestPort  = 12_000
	highestPort = 32_000
)

// FreePort returns a TCP port of 127.0.0.1 that nothing listened on a moment ago.
func FreePort() (int, error) {
	var failed error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, l.Close()
		}
		failed = err
	}
	return 0, fmt.Errorf("find a free port: %w", failed)
}

// onPort runs start with the wanted port, or with a free one; a free one that was taken meanwhile is replaced.
func onPort(wanted int, start func(port int) (*Server, error)) (*Server, int, error) {
	if wanted != 0 {
		s, err := start(wanted)
		return s, wanted, err
	}
	var failed error
	for range 3 {
		port, err := FreePort()
		if err != nil {
			return nil, 0, err
		}
		s, err := start(port)
		if err == nil {
			return s, port, nil
		}
		failed = err
		if !strings.Contains(strings.ToLower(err.Error()), "address already in use") {
			break
		}
	}
	return nil, 0, failed
}
