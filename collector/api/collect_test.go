package api

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
)

var measured = regexp.MustCompile(`(?m)^(probe_(?:http_)?duration_seconds\S*|probe_dns_lookup_time_seconds\S*|chronoops_probe_age_seconds\S*) \S+$`)

// application answers as the real one does.
func application(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/health":
		io.WriteString(w, `{"status":"healthy"}`)
	case "/api/v1/health/quick":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/api/v1/health/system":
		w.WriteHeader(http.StatusPartialContent)
	case "/limited":
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html>")
	}
}

func TestExposition(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(application))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Name: "backend", URL: s.URL, Probes: []ProbeConfig{
		{Path: "/health"}, {Path: "/api/v1/health/quick"}, {Path: "/api/v1/health/system"}, {Path: "/limited"}, {Path: "/ready?token=secret"},
	}}
	cfg.TLS.CAFile = ca
	c := newCollector(t, Options{Config: cfg})
	text, ok := collectortest.Scrape(t, c)
	if !ok[PartProbe] {
		t.Error("the part failed, though targets that are down are no failure")
	}
	golden(t, "probe.txt", measured.ReplaceAllString(text, "$1 MEASURED"))
	collectortest.Lint(t, c)
}

func TestMinIntervalOfATarget(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	c := newCollector(t, Options{Config: Config{Name: "a", URL: s.URL, Probes: []ProbeConfig{
		{Path: "/health", MinInterval: model.Duration(time.Hour)},
	}}})
	first := collectortest.Text(t, c)
	second := collectortest.Text(t, c)
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	const age = `chronoops_probe_age_seconds{probe="/health"} `
	if !strings.Contains(first, age+"0\n") || strings.Contains(second, age+"0\n") || !strings.Contains(second, age) {
		t.Errorf("age at first and then:\n%s%s", first, second)
	}
}

func TestUnreachableTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := newCollector(t, Options{Config: Config{Name: "a", URL: "http://" + l.Addr().String()}})
	text, ok := collectortest.Scrape(t, c)
	for _, want := range []string{`probe_success{probe="/health"} 0`, `chronoops_probe_state{probe="/health",state="down"} 1`, `probe_http_status_code{probe="/health"} 0`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if !ok[PartProbe] {
		t.Error("the part failed")
	}
}

func TestAuthorizationFile(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cr3t" || r.Header.Get("X-Team") != "ops" || r.Host != "backend.example" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	file := filepath.Join(t.TempDir(), "auth")
	if err := os.WriteFile(file, []byte("Bearer s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Name: "a", URL: s.URL, AuthorizationFile: file, Headers: map[string]string{"x-team": "ops", "host": "backend.example"}}
	opts, err := cfg.ProbeOptions()
	if err != nil {
		t.Fatal(err)
	}
	if r := Probe(t.Context(), opts[0]); r.State != Up || r.Name != "/health" {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{"", "s3cr3t\nsecond line"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.ProbeOptions(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg.AuthorizationFile += ".missing"
	if _, ok := collectortest.Scrape(t, newCollector(t, Options{Config: cfg})); ok[PartProbe] {
		t.Error("a missing authorization file is a success")
	}
}

func TestPartsFollowTheConfig(t *testing.T) {
	names := func(parts []collector.Part) (names []string) {
		for _, p := range parts {
			names = append(names, p.Name)
		}
		return names
	}
	c := newCollector(t, Options{Config: Config{Name: "a", URL: "http://127.0.0.1:1"}})
	if got := strings.Join(names(c.Parts()), " "); got != PartProbe {
		t.Errorf("without a log: %s", got)
	}
	c = newCollector(t, Options{Config: Config{Name: "a", URL: "http://127.0.0.1:1", AccessLog: &AccessLogConfig{Path: "/x"}}})
	if got := strings.Join(names(c.Parts()), " "); got != PartProbe+" "+PartAccessLog {
		t.Errorf("with a log: %s", got)
	}
}
