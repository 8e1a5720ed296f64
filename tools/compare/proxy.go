package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between programs and a server, and counts what passes.
type proxy struct {
	listener net.Listener
	server   string

	connections atomic.Int64
	turns       atomic.Int64 // times that a client spoke after the server had: round trips

	mu   sync.Mutex
	open map[net.Conn]bool // nil once closed
}

// startProxy passes connections on to server until it is closed.
func startProxy(server string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, server: server, open: make(map[net.Conn]bool)}
	go p.serve()
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil || !p.keep(client, server) {
			client.Close()
			if server != nil {
				server.Close()
			}
			continue
		}
		p.connections.Add(1)
		var clientSpoke atomic.Bool
		go p.pass(server, client, func() {
			if !clientSpoke.Swap(true) {
				p.turns.Add(1)
			}
		})
		go p.pass(client, server, func() { clientSpoke.Store(false) })
	}
}

// pass copies from one side to the other, and closes both at the end.
func (p *proxy) pass(to, from net.Conn, spoke func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			spoke()
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	delete(p.open, to)
	delete(p.open, from)
	p.mu.Unlock()
	to.Close()
	from.Close()
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return false
	}
	for _, c := range conns {
		p.open[c] = true
	}
	return true
}

func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		err = errors.Join(err, ignoreClosed(c.Close()))
	}
	p.open = nil
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// counters are the proxy's, named for the kind of target.
func (p *proxy) counters(kind string) []counter {
	read := func(n *atomic.Int64) func(context.Context) (float64, error) {
		return func(context.Context) (float64, error) { return float64(n.Load()), nil }
	}
	return []counter{
		{name: kind + "_connections", read: read(&p.connections)},
		{name: kind + "_turns", read: read(&p.turns)},
	}
}
