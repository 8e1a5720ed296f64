package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// FreeConfig says which addresses may be probed though no target names them. The zero value allows none.
type FreeConfig struct {
	Allow   []string `yaml:"allow,omitempty"`   // host, *.domain, address or network, with a port unless it is 80 or 443
	Private []string `yaml:"private,omitempty"` // networks within which addresses that are not public may be probed
}

// UnmarshalYAML implements the yaml package's Unmarshaler.
func (c *FreeConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain FreeConfig
	*c = FreeConfig{}
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	_, err := NewFree(*c)
	return err
}

// Free makes collectors for probes whose target comes with the request. They carry no credentials, follow only redirects
// to allowed targets, and reach private addresses only where that is configured, whatever a name resolves to.
type Free struct {
	allow   []allowed
	private []netip.Prefix
}

// allowed is one entry of the allow-list.
type allowed struct {
	host    string // exact, or a suffix that begins with a dot
	network netip.Prefix
	port    uint16 // 0 for 80 and 443
}

// ErrNotAllowed is wrapped by errors about targets that the allow-list lacks.
var ErrNotAllowed = errors.New("target is not allowed")

// Modules are the names that Free.Collector knows.
func Modules() []string { return []string{"http_2xx"} }

// NewFree checks the lists.
func NewFree(c FreeConfig) (*Free, error) {
	f := &Free{}
	for _, text := range c.Allow {
		a, err := parseAllowed(text)
		if err != nil {
			return nil, fmt.Errorf("allow %q: %w", text, err)
		}
		f.allow = append(f.allow, a)
	}
	for _, text := range c.Private {
		p, err := parseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("private %q: want an address or network such as 10.1.0.0/16", text)
		}
		f.private = append(f.private, p)
	}
	return f, nil
}

func parseAllowed(text string) (allowed, error) {
	var a allowed
	host := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && (strings.Count(text, ":") == 1 || strings.HasPrefix(text, "[")) && !strings.HasSuffix(text, "]") {
		n, err := strconv.ParseUint(text[i+1:], 10, 16)
		if err != nil || n == 0 {
			return a, fmt.Errorf("port %q: want 1 to 65535", text[i+1:])
		}
		host, a.port = text[:i], uint16(n)
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if p, err := parseNetwork(host); err == nil {
		if p.Bits() == 0 {
			return a, errors.New("a network of all addresses makes the probe an open proxy: list the networks that are meant")
		}
		a.network = p
		return a, nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	suffix, wild := strings.CutPrefix(name, "*")
	if wild && (!strings.HasPrefix(suffix, ".") || !strings.Contains(suffix[1:], ".")) {
		return a, errors.New("* stands for the names below a domain: write *.example.com")
	}
	a.host = suffix
	if suffix == "" || strings.ContainsFunc(suffix, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}) {
		return a, errors.New("want a host such as example.com, *.example.com:8443 or 192.0.2.0/24:8080, without scheme and path")
	}
	return a, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, err
	}
	return p.Masked(), nil
}

// Collector returns a collector that probes target, a URL or a host, once each time it is collected.
func (f *Free) Collector(target, module string) (collector.Collector, error) {
	if !slices.Contains(Modules(), module) {
		return nil, fmt.Errorf("unknown module %q: want %s", module, strings.Join(Modules(), ", "))
	}
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("target is no http or https URL")
	}
	if u.User != nil {
		return nil, errors.New("target must not hold a user or password")
	}
	if err := f.check(u); err != nil {
		return nil, err
	}
	return freeProbe{ProbeOptions{
		URL: u.String(), HTML: true,
		Allow:    func(addr netip.AddrPort) error { return publicOnly(addr.Addr(), f.private) },
		Redirect: func(_, to *url.URL) bool { return to.User == nil && f.check(to) == nil },
	}}, nil
}

func (f *Free) check(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: port %q", ErrNotAllowed, port)
	}
	for _, a := range f.allow {
		if a.match(host, uint16(n)) {
			return nil
		}
	}
	return fmt.Errorf("%w: add %s:%s to the probe's allow list if it may be probed", ErrNotAllowed, host, port)
}

func (a allowed) match(host string, port uint16) bool {
	if a.port != port && (a.port != 0 || port != 80 && port != 443) {
		return false
	}
	if a.network.IsValid() {
		addr, err := netip.ParseAddr(host)
		return err == nil && a.network.Contains(addr.Unmap())
	}
	if a.host[0] == '.' {
		return strings.HasSuffix(host, a.host) && len(host) > len(a.host)
	}
	return host == a.host
}

// freeProbe probes once per collection.
type freeProbe struct{ opt ProbeOptions }

func (freeProbe) Parts() []collector.Part {
	return []collector.Part{{Name: PartProbe, Default: true, Families: freeProbes.list()}}
}

func (p freeProbe) Collect(ctx context.Context, w *collector.Writer) error {
	w.Part(PartProbe, func() error {
		freeProbes.record(w, Probe(ctx, p.opt))
		return nil
	})
	return nil
}
