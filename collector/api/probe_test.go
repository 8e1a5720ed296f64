package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answer serves one fixed answer.
func answer(t *testing.T, status int, contentType, body string) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestProbeStates(t *testing.T) {
	const (
		json = "application/json"
		html = "text/html; charset=utf-8"
	)
	for _, tt := range []struct {
		name        string
		status      int
		contentType string
		body        string
		opt         ProbeOptions
		want        State
		err         string
	}{
		{name: "healthy", status: 200, contentType: json, body: `{"status":"healthy"}`, want: Up},
		{name: "nginx's own text", status: 200, contentType: "text/plain", body: "healthy\n", want: Up},
		{name: "no content", status: 204, want: Up},
		{name: "degraded", status: 206, contentType: json, body: `{}`, want: Degraded},
		{name: "degraded but expected", status: 206, opt: ProbeOptions{Status: []int{206}}, want: Up},
		{name: "unhealthy", status: 503, contentType: json, body: `{}`, want: Down, err: "status 503"},
		{name: "limited", status: 429, contentType: json, body: `{"error":"Rate limit exceeded","retry_after":60}`, want: Limited},
		{name: "limited as an HTML page", status: 429, contentType: html, want: Limited},
		{name: "missing", status: 404, want: Down, err: "status 404"},
		{name: "expected status", status: 401, opt: ProbeOptions{Status: []int{200, 401}}, want: Up},
		{name: "unexpected status", status: 200, opt: ProbeOptions{Status: []int{401}}, want: Down, err: "status 200"},
		{name: "front end's page", status: 200, contentType: html, body: "<!doctype html>", want: Down, err: "set html: true"},
		{name: "a page that is right", status: 200, contentType: html, opt: ProbeOptions{HTML: true}, want: Up},
		{name: "body matches", status: 200, contentType: json, body: `{"status":"healthy"}`, opt: ProbeOptions{Body: regexp.MustCompile(`"healthy"`)}, want: Up},
		{name: "body does not match", status: 200, contentType: json, body: `{"status":"sick"}`, opt: ProbeOptions{Body: regexp.MustCompile(`"healthy"`)}, want: Down, err: "does not match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opt.URL = answer(t, tt.status, tt.contentType, tt.body).URL
			r := Probe(t.Context(), tt.opt)
			if r.State != tt.want || r.Status != tt.status || r.OK() != (tt.want != Down) {
				t.Errorf("state %s, status %d, ok %v, err %v", r.State, r.Status, r.OK(), r.Err)
			}
			if tt.err == "" && r.Err != nil || tt.err != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", r.Err, tt.err)
			}
			if r.BodyMismatch != strings.HasPrefix(tt.name, "body does not") {
				t.Errorf("body mismatch %v", r.BodyMismatch)
			}
			if r.IPVersion != 4 || r.HTTPVersion != 1.1 || r.Duration <= 0 || r.Phases.Processing <= 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestProbeTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is told about the handshake that is to fail
	s.StartTLS()
	t.Cleanup(s.Close)

	r := Probe(t.Context(), ProbeOptions{URL: s.URL})
	if r.State != Down || r.Err == nil || !strings.Contains(r.Err.Error(), "certificate") {
		t.Errorf("unknown authority: %s, %v", r.State, r.Err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	r = Probe(t.Context(), ProbeOptions{URL: s.URL, TLS: &tls.Config{RootCAs: pool}})
	if r.State != Up || r.HTTPVersion != 2 || r.Phases.TLS <= 0 {
		t.Errorf("%+v", r)
	}
	if r.TLS == nil || !r.TLS.EarliestExpiry.Equal(s.Certificate().NotAfter) || r.TLS.Version != "TLS 1.3" {
		t.Errorf("TLS %+v", r.TLS)
	}
}

func TestProbeDeadlines(t *testing.T) {
	blackhole, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blackhole.Close() })
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for name, target := range map[string]string{"no answer": "http://" + blackhole.Addr().String(), "slow body": slow.URL} {
		t.Run(name+", own timeout", func(t *testing.T) {
			r := Probe(t.Context(), ProbeOptions{URL: target, Timeout: 50 * time.Millisecond})
			if r.State != Down || r.Err == nil || r.Err.Error() != "no complete answer within 50ms" || r.cut {
				t.Errorf("%s, %v, cut %v", r.State, r.Err, r.cut)
			}
			if r.Phases.Processing+r.Phases.Transfer < 20*time.Millisecond {
				t.Errorf("phases do not show where it hung: %+v", r.Phases)
			}
		})
		t.Run(name+", scrape's deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			r := Probe(ctx, ProbeOptions{URL: target})
			if r.State != Down || !errors.Is(r.Err, context.DeadlineExceeded) || !r.cut {
				t.Errorf("%s, %v, cut %v", r.State, r.Err, r.cut)
			}
		})
	}
}

func TestProbeUnreachable(t *testing.T) {
	s := answer(t, 200, "", "")
	s.Close()
	r := Probe(t.Context(), ProbeOptions{URL: s.URL + "/x?token=secret"})
	if r.State != Down || r.Err == nil || strings.Contains(r.Err.Error(), "secret") || r.Status != 0 || r.IPVersion != 0 {
		t.Errorf("%+v", r)
	}
	reset := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	})
	if r := Probe(t.Context(), ProbeOptions{URL: reset.URL}); r.State != Down || r.Err == nil {
		t.Errorf("reset: %+v", r)
	}
}

func TestProbeBoundsTheAnswer(t *testing.T) {
	var written atomic.Int64
	huge := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 32<<10)
		for written.Load() < 1<<30 {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	r := Probe(t.Context(), ProbeOptions{URL: huge.URL, MaxBody: 100_000})
	if r.State != Up || r.BodyBytes != 100_000 {
		t.Errorf("%s, %d bytes, %v", r.State, r.BodyBytes, r.Err)
	}
	huge.Close() // waits for the handler
	if n := written.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	headers := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 10_000))
		}
	})
	if r := Probe(t.Context(), ProbeOptions{URL: headers.URL}); r.State != Down {
		t.Errorf("a megabyte of headers: %s", r.State)
	}
}

func TestProbeRedirects(t *testing.T) {
	var asked atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "127.0.0.2", 1)
	var auth atomic.Value
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/port":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/host":
			http.Redirect(w, r, elsewhere, http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/end":
			auth.Store(r.Header.Get("Authorization"))
		}
	})
	secret := http.Header{"Authorization": {"Bearer x"}}
	for _, tt := range []struct {
		path      string
		opt       ProbeOptions
		want      State
		status    int
		redirects int
		asked     int64
	}{
		{path: "/same", want: Up, status: 200, redirects: 1},
		{path: "/same", opt: ProbeOptions{Header: secret}, want: Up, status: 200, redirects: 1},
		{path: "/same", opt: ProbeOptions{Status: []int{302}}, want: Up, status: 302},
		{path: "/port", want: Up, status: 200, redirects: 1, asked: 1},
		{path: "/port", opt: ProbeOptions{Header: secret}, want: Down, status: 302},
		{path: "/host", want: Down, status: 302},
		{path: "/file", want: Down, status: 302},
		{path: "/loop", want: Down, status: 302, redirects: maxRedirects},
		{path: "/host", opt: ProbeOptions{Redirect: func(_, to *url.URL) bool { return to.Hostname() == "127.0.0.2" }}, want: Down, redirects: 1},
	} {
		asked.Store(0)
		tt.opt.URL = s.URL + tt.path
		r := Probe(t.Context(), tt.opt)
		if r.State != tt.want || r.Status != tt.status || r.Redirects != tt.redirects || asked.Load() != tt.asked {
			t.Errorf("%s: %s, status %d, %d redirects, other host asked %d times, %v", tt.path, r.State, r.Status, r.Redirects, asked.Load(), r.Err)
		}
	}
	if auth.Load() != "" && auth.Load() != "Bearer x" {
		t.Errorf("authorization %v", auth.Load())
	}
}

func TestProbeAsksForEachAddress(t *testing.T) {
	s := answer(t, 200, "", "")
	port := s.Listener.Addr().(*net.TCPAddr).Port
	var seen []netip.AddrPort
	refuse := errors.New("refused")
	r := Probe(t.Context(), ProbeOptions{URL: fmt.Sprintf("http://localhost:%d", port), Allow: func(addr netip.AddrPort) error {
		seen = append(seen, addr)
		return refuse
	}})
	if r.State != Down || !errors.Is(r.Err, refuse) {
		t.Errorf("%s, %v", r.State, r.Err)
	}
	if len(seen) == 0 || !seen[0].Addr().IsLoopback() || seen[0].Port() != uint16(port) {
		t.Errorf("asked for %v", seen)
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "86400": maxRetryAfter, "-1": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 0} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
