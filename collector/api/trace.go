package api

import (
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// hop holds the moments of one request; a redirect adds a hop.
type hop struct {
	dnsStart, dnsDone, connStart, connDone, tlsStart, tlsDone, gotConn, firstByte time.Time
}

// trace collects the moments of a probe. Racing dials may report after the probe has ended.
type trace struct {
	mu   sync.Mutex
	hops []hop
	ip   net.IP
}

func (t *trace) at(set func(h *hop, now time.Time)) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.hops) > 0 {
		set(&t.hops[len(t.hops)-1], now)
	}
}

func (t *trace) client() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.hops = append(t.hops, hop{})
		},
		DNSStart: func(httptrace.DNSStartInfo) { t.at(func(h *hop, now time.Time) { h.dnsStart = now }) },
		DNSDone:  func(httptrace.DNSDoneInfo) { t.at(func(h *hop, now time.Time) { h.dnsDone = now }) },
		ConnectStart: func(string, string) {
			t.at(func(h *hop, now time.Time) {
				if h.connStart.IsZero() {
					h.connStart = now
				}
			})
		},
		ConnectDone: func(_, _ string, err error) {
			t.at(func(h *hop, now time.Time) {
				if err == nil && h.connDone.IsZero() {
					h.connDone = now
				}
			})
		},
		TLSHandshakeStart: func() { t.at(func(h *hop, now time.Time) { h.tlsStart = now }) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			t.at(func(h *hop, now time.Time) {
				if err == nil {
					h.tlsDone = now
				}
			})
		},
		GotConn: func(info httptrace.GotConnInfo) {
			t.at(func(h *hop, now time.Time) { h.gotConn = now })
			if addr, ok := info.Conn.RemoteAddr().(*net.TCPAddr); ok {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.ip = addr.IP
			}
		},
		GotFirstResponseByte: func() { t.at(func(h *hop, now time.Time) { h.firstByte = now }) },
	}
}

// phases sums the hops; a phase that was begun and not finished lasted until end, so that one sees where a probe hung.
func (t *trace) phases(end time.Time) (p Phases, ipVersion int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	between := func(from, to time.Time) time.Duration {
		if from.IsZero() {
			return 0
		}
		if to.IsZero() {
			to = end
		}
		return max(0, to.Sub(from))
	}
	for i, h := range t.hops {
		p.Resolve += between(h.dnsStart, h.dnsDone)
		p.Connect += between(h.connStart, h.connDone)
		p.TLS += between(h.tlsStart, h.tlsDone)
		p.Processing += between(h.gotConn, h.firstByte)
		if i == len(t.hops)-1 {
			p.Transfer = between(h.firstByte, end)
		}
	}
	switch {
	case t.ip == nil:
	case t.ip.To4() != nil:
		ipVersion = 4
	default:
		ipVersion = 6
	}
	return p, ipVersion
}
