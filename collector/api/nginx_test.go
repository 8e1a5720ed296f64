package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/stack"
)

// site writes both formats that the reference installation has. The second upstream of the pair is closed, so that a
// retry writes lists of times.
const site = `
log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
	'"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
	'"$http_referer" "$http_user_agent" "$http_x_forwarded_for" '
	'rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"';
upstream pair { server 127.0.0.1:%d; server 127.0.0.1:%d; }
upstream dead { server 127.0.0.1:%[1]d; }
server {
	listen 127.0.0.1:@PORT@;
	access_log %[3]s/main.log main;
	access_log %[3]s/timed.log timed;
	location = /health { return 200 "healthy\n"; }
	location /api/ { proxy_pass http://pair; }
	location /dead/ { proxy_pass http://dead; }
	location / { return 404; }
}`

func TestNginx(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, `{"data":[]}`)
	}))
	t.Cleanup(backend.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	dir := t.TempDir()
	nginx, err := stack.StartNginx(t.Context(), stack.NginxOptions{
		Config: fmt.Sprintf(site, closed.Addr().(*net.TCPAddr).Port, backend.Listener.Addr().(*net.TCPAddr).Port, dir),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nginx.Stop(); err != nil {
			t.Error(err)
		}
	})

	collectors := map[string]*Collector{}
	for _, name := range []string{"main", "timed"} {
		collectors[name] = newCollector(t, Options{StateDir: t.TempDir(), Config: Config{
			Name: name, URL: nginx.URL, AccessLog: &AccessLogConfig{Path: filepath.Join(dir, name+".log")},
		}})
		collectortest.Scrape(t, collectors[name], PartAccessLog) // nobody has asked yet: from here on everything counts
	}
	ask := func(method, path string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, nginx.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "quote \" backslash \\ rt=9 平安 \xff")
		req.Header.Set("X-Forwarded-For", `203.0.113.9, "10.0.0.1" urt="7"`)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	ask("GET", "/health")
	ask("GET", "/api/v1/stocks/000001.SZ/data")
	for range 4 {
		ask("GET", "/api/v1/stocks/600000.SH/data?token=x")
	}
	ask("POST", "/api/v1/orders")
	ask("GET", "/dead/x")
	ask("GET", "/wp-login.php")
	ask("GET", "/%E5%B9%B3%FF/x")
	conn, err := net.Dial("tcp", nginx.Addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "\x16\x03\x01\x02\x00 \"\\ hello\r\n\r\n") // TLS on a plain port, and worse
	io.Copy(io.Discard, conn)
	conn.Close()

	// The writer keeps its file over the renaming until it is told to reopen.
	for name := range collectors {
		log := filepath.Join(dir, name+".log")
		if err := os.Rename(log, log+".1"); err != nil {
			t.Fatal(err)
		}
	}
	ask("GET", "/health")
	if err := nginx.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	await := func(ready func(log string) bool) {
		t.Helper()
		for name := range collectors {
			for !ready(filepath.Join(dir, name+".log")) {
				select {
				case <-nginx.Exited():
					t.Fatal(nginx.Output())
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
	}
	await(func(log string) bool {
		_, err := os.Stat(log)
		return err == nil
	})
	ask("GET", "/health")
	await(func(log string) bool { // nginx answers first and logs then
		rotated, rerr := os.ReadFile(log + ".1")
		current, err := os.ReadFile(log)
		return rerr == nil && err == nil && bytes.Count(rotated, []byte{'\n'})+bytes.Count(current, []byte{'\n'}) == 13
	})

	for name, c := range collectors {
		t.Run(name, func(t *testing.T) {
			collectortest.Scrape(t, c, PartAccessLog)
			text, ok := collectortest.Scrape(t, c, PartAccessLog)
			if !ok[PartAccessLog] {
				t.Error("the part failed")
			}
			for _, want := range []string{
				`http_requests_total{method="GET",route="/health",status="200"} 3`,
				`http_requests_total{method="GET",route="/api/v1/stocks/:code/data",status="200"} 5`,
				`http_requests_total{method="POST",route="/api/v1/orders",status="500"} 1`,
				`http_requests_total{method="GET",route="other",status="502"} 1`,
				`http_requests_total{method="GET",route="other",status="404"} 2`,
				`http_requests_total{method="other",route="other",status="400"} 1`,
				`http_response_size_bytes_sum{route="/api/v1/stocks/:code/data"} 55`,
				`chronoops_accesslog_lines_total{target="` + name + `"} 13`,
				`chronoops_accesslog_unparsed_total{target="` + name + `"} 0`,
			} {
				if !strings.Contains(text, want+"\n") {
					t.Errorf("%s is missing", want)
				}
			}
			timed := strings.Contains(text, `http_request_duration_seconds_count{method="GET",route="/api/v1/stocks/:code/data"} 5`)
			if timed != (name == "timed") || strings.Contains(text, `_bucket{method="GET",route="/health",le="5"} 0`) {
				t.Errorf("durations: %v", timed)
			}
			if t.Failed() {
				t.Log(text)
				b, _ := os.ReadFile(filepath.Join(dir, name+".log.1"))
				t.Logf("%s", b)
			}
		})
	}
	b, err := os.ReadFile(filepath.Join(dir, "timed.log.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`urt="-"`, `urt="0.0`, `, 0.`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("nginx wrote no %s, so that it was not tested:\n%s", want, b)
		}
	}
}
