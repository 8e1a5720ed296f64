package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

// everything starts one real server of each kind and writes a configuration that watches all of them and has a receiver.
func everything(t testing.TB) (dir string) {
	t.Helper()
	postgres, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Stop() })
	redis, err := stack.StartRedis(t.Context(), stack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Stop() })
	nginx, err := stack.StartNginx(t.Context(), stack.NginxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nginx.Stop() })
	dir = t.TempDir()
	config := `
targets:
  postgres: [{name: main, dsn: '` + postgres.URL + `'}]
  redis: [{name: cache, url: '` + redis.URL + `'}]
  api: [{name: backend, url: '` + nginx.URL + `', access_log: {path: '` + nginx.AccessLog + `'}}]
  alertmanager: [{name: am, url: 'http://127.0.0.1:9'}]
receiver:
  mode: auto
  sources: [{name: prod, token: ` + webhookToken + `, alertmanagers: [am]}]
  policies:
    - name: connections
      match: ['alertname="TooManyConnections"']
      mode: approve
      repair: [{action: postgres.terminate_idle, with: {target: main, older_than: 1h, users: [app]}}]
`
	if err := os.WriteFile(filepath.Join(dir, "chronoops.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// scrape asks as Prometheus does and returns the size of what came over the wire.
func scrape(t testing.TB, address string) int64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %s, %v", resp.Status, err)
	}
	return n
}

// A thousand scrapes leave no descriptor and no goroutine behind.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	p := start(t, everything(t))
	count := func() (descriptors, goroutines float64) {
		m := p.metrics()
		if m["pg_up"] != "1" || m["redis_up"] != "1" || one(m, "probe_success") != "1" {
			t.Fatalf("pg_up %s, redis_up %s, probe_success %s", m["pg_up"], m["redis_up"], one(m, "probe_success"))
		}
		return number(t, m["process_open_fds"]), number(t, m["go_goroutines"])
	}
	for range 20 {
		scrape(t, p.url+"/metrics")
	}
	descriptors, goroutines := count()
	for range 1000 {
		scrape(t, p.url+"/metrics")
	}
	const slack = 5 // a timer's goroutine, a connection of another test
	nowDescriptors, nowGoroutines := count()
	t.Logf("%g descriptors and %g goroutines before, %g and %g after", descriptors, goroutines, nowDescriptors, nowGoroutines)
	if nowDescriptors > descriptors+slack || nowGoroutines > goroutines+slack {
		t.Errorf("%g descriptors and %g goroutines have become %g and %g", descriptors, goroutines, nowDescriptors, nowGoroutines)
	}
}

func number(t testing.TB, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// BenchmarkServe measures the program as it is shipped, with a target of every kind: its size, its start up to the first
// scrape, its memory after 50 scrapes, and what a scrape costs.
func BenchmarkServe(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "chronoops-shipped")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v:\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	dir := everything(b)
	port, err := stack.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	address := fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	began := time.Now()
	s, err := stack.Start(b.Context(), stack.Command{
		Name: "chronoops", Path: binary, Dir: dir,
		Args: []string{"serve", "--config.file=chronoops.yml", "--storage.path=state", fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port)},
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Stop()
	started := time.Since(began)
	var size int64
	for range 50 {
		size = scrape(b, address)
	}
	rss, anonymous := memory(b, s.PID())
	const scrapes = 200
	before := cpuTime(b, s.PID())
	for range scrapes {
		scrape(b, address)
	}
	cost := cpuTime(b, s.PID()) - before
	for b.Loop() {
		scrape(b, address)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(float64(started.Milliseconds()), "ms-to-first-scrape")
	b.ReportMetric(rss, "MB-RSS")
	b.ReportMetric(anonymous, "MB-RssAnon")
	b.ReportMetric(float64(cost.Microseconds())/scrapes/1000, "cpu-ms/scrape")
	b.ReportMetric(float64(size), "wire-bytes/scrape")
}

var memoryLine = regexp.MustCompile(`(?m)^(VmRSS|RssAnon):\s+(\d+) kB$`)

// memory is what a process holds, and how much of it belongs to no file, in MB.
func memory(t testing.TB, pid int) (rss, anonymous float64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range memoryLine.FindAllStringSubmatch(string(text), -1) {
		mb := number(t, m[2]) * 1024 / 1e6
		if m[1] == "VmRSS" {
			rss = mb
		} else {
			anonymous = mb
		}
	}
	return rss, anonymous
}

// cpuTime is what a process has used, in user and system mode.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const ticks = 100 // a second; USER_HZ is the same on every Linux that Go runs on
	return time.Duration(number(t, fields[11])+number(t, fields[12])) * time.Second / ticks
}
