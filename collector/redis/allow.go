package redis

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// allowed is one entry of a list of servers that may be contacted.
type allowed struct {
	network  netip.Prefix // for addresses
	name     string       // for names, without the * of *.example.org
	suffix   bool
	from, to uint16 // ports
}

// parseAllowed reads HOST, HOST:PORT or HOST:PORT-PORT, where HOST is an address, a network such as 10.0.0.0/24, a name,
// or *.example.org. Addresses of IPv6 with a port are in brackets.
func parseAllowed(text string) (a allowed, err error) {
	bad := fmt.Errorf("%q is no server: write 10.0.0.1:6379, 10.0.0.0/24:7000-7005, cache.example.org or *.example.org", text)
	host, ports := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && (strings.Count(text, ":") == 1 || strings.HasPrefix(text, "[")) && !strings.HasSuffix(text, "]") {
		host, ports = text[:i], text[i+1:]
	}
	a.from, a.to = 1, 65535
	if ports != "" {
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from == 0 || from > to {
			return a, bad
		}
		a.from, a.to = uint16(from), uint16(to)
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if prefix, err := netip.ParsePrefix(host); err == nil {
		a.network = prefix.Masked()
		return a, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		a.network = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		return a, nil
	}
	a.name, a.suffix = strings.CutPrefix(strings.ToLower(host), "*")
	if a.name == "" || strings.ContainsAny(a.name, "*/:[] ") || a.suffix && !strings.HasPrefix(a.name, ".") {
		return a, bad
	}
	return a, nil
}

// matches reports whether the server at host:port is meant.
func (a allowed) matches(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || uint16(n) < a.from || uint16(n) > a.to {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return a.network.IsValid() && a.network.Contains(ip.Unmap())
	}
	host = strings.ToLower(host)
	switch {
	case a.name == "":
		return false
	case a.suffix:
		return strings.HasSuffix(host, a.name)
	default:
		return host == a.name
	}
}
