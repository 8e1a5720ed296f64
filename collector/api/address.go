package api

import (
	"fmt"
	"net/netip"
	"slices"
)

// special lists the networks that are not the public internet: IANA's special-purpose registries (RFC 6890), and the prefixes of
// IPv6 that carry an IPv4 address, through which a translator would reach one of them.
var special = parsePrefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/9", "ff00::/8",
)

func parsePrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}

// publicOnly refuses addresses that are not public, unless one of the prefixes allows them.
func publicOnly(addr netip.Addr, allowed []netip.Prefix) error {
	addr = addr.Unmap().WithZone("")
	holds := func(p netip.Prefix) bool { return p.Contains(addr) }
	if slices.ContainsFunc(special, holds) && !slices.ContainsFunc(allowed, holds) {
		return fmt.Errorf("address %s is not public: list its network under private if it may be probed", addr)
	}
	return nil
}
