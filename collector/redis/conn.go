package redis

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// dialer returns the client's way to connect. It never fails: the client logs what its dialer says, on each scrape and
// past our own log, but hands on without a word what a connection says.
func dialer(tlsConfig *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		// A peer that vanished without a word is noticed between two scrapes.
		d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
		}}
		raw, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return failedConn{err: err}, nil
		}
		if tlsConfig == nil {
			return &politeConn{Conn: raw}, nil
		}
		conf := tlsConfig.Clone()
		if conf.ServerName == "" {
			conf.ServerName, _, _ = net.SplitHostPort(addr)
		}
		conn := tls.Client(raw, conf)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return failedConn{err: err}, nil
		}
		return &politeConn{Conn: conn}, nil
	}
}

// politeConn hears out a server that says why it closes the connection before it was asked anything. The client would
// take that for the answer to its own greeting, and carry on. It also stops a server that says too much.
type politeConn struct {
	net.Conn
	heard bool
	bound bound
}

// farewells are how such a message begins.
var farewells = []string{"-ERR max number of clients", "-DENIED "}

// farewell is what the server said.
type farewell string

func (f farewell) Error() string { return string(f) }

func (c *politeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.heard && n > 0 {
		c.heard = true
		for _, f := range farewells {
			if strings.HasPrefix(string(b[:min(n, len(f))]), f) {
				line, _, _ := strings.Cut(string(b[1:n]), "\r\n")
				return 0, farewell(line)
			}
		}
	}
	if long := c.bound.check(b[:n]); long != nil {
		return 0, long
	}
	return n, err
}

// Write does not fail when it comes too late: the server's message may still be there to be read.
func (c *politeConn) Write(b []byte) (int, error) {
	c.bound.begin()
	n, err := c.Conn.Write(b)
	if err != nil && !c.heard && collector.NetReason(err) == collector.ReasonReset {
		return len(b), nil
	}
	return n, err
}

// failedConn is a connection that was not made; err is why.
type failedConn struct {
	net.Conn // nil: the methods that the client calls are below
	err      error
}

func (c failedConn) Read([]byte) (int, error)       { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)      { return 0, c.err }
func (failedConn) Close() error                     { return nil }
func (failedConn) SetDeadline(time.Time) error      { return nil }
func (failedConn) SetReadDeadline(time.Time) error  { return nil }
func (failedConn) SetWriteDeadline(time.Time) error { return nil }
func (failedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (failedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
