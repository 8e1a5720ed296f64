package collectortest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Listen serves each connection to a free port of 127.0.0.1 with serve, until the test ends, and returns its address.
func Listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// Silent returns the address of a server that accepts and never answers.
func Silent(t testing.TB) string {
	return Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// Resetting returns the address of a server that resets every connection.
func Resetting(t testing.TB) string {
	return Listen(t, func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

// Proxy stands between a collector and a server: it counts round trips and can stop the traffic.
type Proxy struct {
	Addr string

	mu    sync.Mutex
	cond  *sync.Cond
	stats Traffic
	stop  bool
}

// Traffic is what went through a Proxy.
type Traffic struct {
	Connections int
	Trips       int // times that the client spoke after the server had, or first
	Received    int // bytes that the server sent
}

// NewProxy returns a proxy to the server at addr.
func NewProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	p := &Proxy{}
	ctx := t.Context()
	p.cond = sync.NewCond(&p.mu)
	p.Addr = Listen(t, func(client net.Conn) { p.serve(ctx, client, addr) })
	t.Cleanup(func() { p.Freeze(false) })
	return p
}

// Freeze stops the traffic on all connections, or lets it go on.
func (p *Proxy) Freeze(stop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = stop
	p.cond.Broadcast()
}

// Traffic returns what went through so far.
func (p *Proxy) Traffic() Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *Proxy) serve(ctx context.Context, client net.Conn, addr string) {
	server, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	clientSpoke := false
	p.mu.Lock()
	p.stats.Connections++
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		p.copy(server, client, func(int) {
			if !clientSpoke {
				p.stats.Trips++
			}
			clientSpoke = true
		})
		server.Close()
	})
	p.copy(client, server, func(n int) {
		p.stats.Received += n
		clientSpoke = false
	})
	client.Close()
	wg.Wait()
}

// copy calls note, under the lock, for what it read, then passes it on once the traffic is not stopped.
func (p *Proxy) copy(to, from net.Conn, note func(n int)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.mu.Lock()
			note(n)
			for p.stop {
				p.cond.Wait()
			}
			p.mu.Unlock()
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
