package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
)

func TestFreeAllowList(t *testing.T) {
	f, err := NewFree(FreeConfig{Allow: []string{
		"example.com", "*.shop.example:8443", "192.0.2.0/24:8080", "2001:db8::1", "[2001:db8::2]:9000", "Front.Example.",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"http://example.com", "https://example.com/x?y=z", "example.com", "http://EXAMPLE.com.:80/", "https://a.shop.example:8443",
		"http://192.0.2.9:8080", "http://[2001:db8::1]/", "http://[2001:db8::2]:9000", "http://front.example",
	} {
		if _, err := f.Collector(target, "http_2xx"); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, target := range []string{
		"http://example.com:8080", "http://evil-example.com", "http://example.com.evil.test", "http://shop.example:8443", "http://a.shop.example",
		"http://192.0.2.9", "http://192.0.3.1:8080", "http://[2001:db8::2]", "http://127.0.0.1", "http://0x7f.1", "http://xshop.example:8443",
		"http://192.0.2.9.evil.test:8080", "http://example.com:99999", "http://example.com%2eevil.test",
	} {
		if c, err := f.Collector(target, "http_2xx"); err == nil || c != nil {
			t.Errorf("%s is allowed", target)
		}
	}
	for _, target := range []string{"", "file:///etc/passwd", "gopher://example.com", "http://user:secret@example.com", "http://", "://", "http://exam\nple.com"} {
		_, err := f.Collector(target, "http_2xx")
		if err == nil || errors.Is(err, ErrNotAllowed) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", target, err)
		}
	}
	if _, err := f.Collector("example.com", "icmp"); err == nil || !strings.Contains(err.Error(), "http_2xx") {
		t.Errorf("unknown module: %v", err)
	}
	if _, err := (&Free{}).Collector("example.com", "http_2xx"); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("nothing is configured: %v", err)
	}
}

func TestFreeConfigRefuses(t *testing.T) {
	for _, text := range []string{"", "*", "*.", "*.com", "a*b", "http://a", "a/b", "a:0", "a:x", "a:70000", "0.0.0.0/0", "::/0", "a b"} {
		if _, err := NewFree(FreeConfig{Allow: []string{text}}); err == nil {
			t.Errorf("allow %q was accepted", text)
		}
	}
	if _, err := NewFree(FreeConfig{Private: []string{"localhost"}}); err == nil {
		t.Error("a private network that is none was accepted")
	}
}

func TestPublicOnly(t *testing.T) {
	private := parsePrefixes("10.1.0.0/16", "127.0.0.0/8")
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "2606:4700::1111", "10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1"} {
		if err := publicOnly(netip.MustParseAddr(text), private); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"10.2.0.1", "192.168.1.1", "172.16.0.1", "172.31.255.255", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.2.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::127.0.0.1", "198.18.0.1",
	} {
		if err := publicOnly(netip.MustParseAddr(text), private); err == nil {
			t.Errorf("%s is public", text)
		}
	}
}

func TestFreeRefusesPrivateAddresses(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	port := s.Listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"localhost", "127.0.0.1"} { // a name that resolves to a private address, as a rebinding one does
		f, err := NewFree(FreeConfig{Allow: []string{fmt.Sprintf("%s:%d", host, port)}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.Collector(fmt.Sprintf("http://%s:%d/", host, port), "http_2xx")
		if err != nil {
			t.Fatal(err)
		}
		if text := collectortest.Text(t, c); !strings.Contains(text, "probe_success 0\n") {
			t.Errorf("%s:\n%s", host, text)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("a private address was asked %d times", asked.Load())
	}
}

func TestFreeProbe(t *testing.T) {
	var asked, credentials atomic.Int64
	hidden := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			credentials.Add(1)
		}
		if r.URL.Path == "/away" {
			http.Redirect(w, r, hidden.URL, http.StatusFound) // same host, another port
		}
	})
	f, err := NewFree(FreeConfig{Allow: []string{s.Listener.Addr().String()}, Private: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "probe_success 1\n", "/away": "probe_success 0\n"} {
		c, err := f.Collector(s.URL+path, "http_2xx")
		if err != nil {
			t.Fatal(err)
		}
		if text := collectortest.Text(t, c); !strings.Contains(text, want) || strings.Contains(text, "probe=") {
			t.Errorf("%s:\n%s", path, text)
		}
	}
	if asked.Load() != 0 || credentials.Load() != 0 {
		t.Errorf("the other port was asked %d times, credentials were sent %d times", asked.Load(), credentials.Load())
	}
}

func TestFreeHandler(t *testing.T) {
	s := answer(t, http.StatusOK, "text/html", "<!doctype html>")
	free, err := NewFree(FreeConfig{Allow: []string{s.Listener.Addr().String()}, Private: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h := collector.ProbeHandler{Module: FreeHandler{Free: free, Exposer: collector.NewExposer(collector.ExposerOptions{}), Logger: log}}
	for _, tt := range []struct {
		query  string
		status int
		want   string
	}{
		{"module=http_2xx&target=" + url.QueryEscape(s.URL), http.StatusOK, "probe_success 1\n"},
		{"module=http_2xx&target=http%3A%2F%2F169.254.169.254%2Flatest", http.StatusForbidden, "target is not allowed"},
		{"module=tcp&target=" + url.QueryEscape(s.URL), http.StatusBadRequest, "want http_2xx"},
		{"module=http_2xx", http.StatusBadRequest, "give one target"},
		{"module=http_2xx&target=a&target=b", http.StatusBadRequest, "give one target"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/probe?"+tt.query, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %s", tt.query, w.Code, w.Body)
		}
	}
}

func FuzzFreeTarget(f *testing.F) {
	f.Add("http://example.com/")
	f.Add("http://example.com:80@127.0.0.1/")
	free, err := NewFree(FreeConfig{Allow: []string{"example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		c, err := free.Collector(target, "http_2xx")
		if err != nil {
			return
		}
		req, err := http.NewRequest(http.MethodGet, c.(freeProbe).opt.URL, nil)
		if err != nil {
			return
		}
		if host := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), ".")); host != "example.com" {
			t.Errorf("%q reaches %q", target, host)
		}
	})
}
