package notify

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Validate refuses contacts whose messages would come back to us: a page about a page has no end. The addresses are
// those that we listen on (":9847", "127.0.0.1:9847") and the URLs that we are known by.
func (n *Notifier) Validate(ownAddresses []string) error {
	own := make([]ownAddress, 0, len(ownAddresses))
	for _, address := range ownAddresses {
		a, err := parseOwn(address)
		if err != nil {
			return err
		}
		own = append(own, a)
	}
	check := func(who string, v any) error {
		for _, text := range urlsIn(v, "") {
			u, err := url.Parse(strings.TrimSpace(text))
			if err != nil || u.Host == "" {
				continue
			}
			for _, a := range own {
				if a.is(u) {
					return fmt.Errorf("%s would send pages to %s, which is our own address: a page would open an incident, which pages again; name another receiver",
						who, u.Host)
				}
			}
		}
		return nil
	}
	errs := []error{check("notifications", map[string]any(n.global))}
	for _, c := range n.contacts {
		errs = append(errs, check("contact "+c.label(), c.raw))
	}
	return errors.Join(errs...)
}

// ownAddress is a place where we listen.
type ownAddress struct {
	host  string // "" for all addresses of this host
	port  string
	local bool // reached from this host under any of its names
}

func parseOwn(address string) (ownAddress, error) {
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return ownAddress{}, fmt.Errorf("own address %q is not a URL such as https://ops.example.com", address)
		}
		return ownAddress{host: strings.ToLower(u.Hostname()), port: portOf(u)}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ownAddress{}, fmt.Errorf("own address %q is not host:port: %w", address, err)
	}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified():
		return ownAddress{port: port, local: true}, nil
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return ownAddress{host: strings.ToLower(host), port: port, local: true}, nil
	}
	return ownAddress{host: strings.ToLower(host), port: port}, nil
}

func (a ownAddress) is(u *url.URL) bool {
	if portOf(u) != a.port {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == a.host {
		return true
	}
	ip := net.ParseIP(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return a.local
	}
	return a.host == "" && thisHost(host, ip)
}

// thisHost reports whether a name or address is one of this host's own, without asking DNS.
func thisHost(host string, ip net.IP) bool {
	if name, err := os.Hostname(); err == nil && strings.EqualFold(name, host) {
		return true
	}
	if ip == nil {
		return false
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip)
	})
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// urlsIn finds the http and https URLs of a configuration, in files too; proxies and links for people are none of them.
func urlsIn(v any, key string) []string {
	var found []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			found = append(found, urlsIn(v[k], k)...)
		}
	case map[any]any:
		for k, value := range v {
			name, _ := k.(string)
			found = append(found, urlsIn(value, name)...)
		}
	case []any:
		for _, value := range v {
			found = append(found, urlsIn(value, key)...)
		}
	case string:
		if !strings.HasSuffix(strings.TrimSuffix(key, "_file"), "url") ||
			slices.Contains([]string{"proxy_url", "token_url", "client_url", "image_url", "thumb_url", "icon_url"}, key) {
			return nil
		}
		if strings.HasSuffix(key, "_file") {
			b, err := os.ReadFile(v)
			if err != nil {
				return nil
			}
			v = string(b)
		}
		found = append(found, v)
	}
	return found
}
