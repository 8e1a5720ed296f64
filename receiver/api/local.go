package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// forwarding are the headers that a proxy adds: a request that carries one did not begin on this machine.
var forwarding = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"}

// checkLocal refuses a request that did not certainly begin on this machine. A loopback Host keeps out a browser that was led
// here by somebody else's name for 127.0.0.1.
func checkLocal(r *http.Request) error {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return errors.New("the request does not come from this machine")
	}
	if !loopbackHost(r.Host) {
		return errors.New("the Host header is not a loopback address")
	}
	for _, name := range forwarding {
		if len(r.Header.Values(name)) > 0 { // also an empty one: a proxy may add its own after it
			return errors.New("the request came through a proxy (" + name + ")")
		}
	}
	return nil
}

// loopbackHost reads a Host header, with or without a port.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// Loopback reports whether a URL leads to this machine.
func Loopback(u *url.URL) bool { return loopbackHost(u.Host) }

// foreignOrigin reports whether a page of another site made the browser send the request.
func foreignOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
