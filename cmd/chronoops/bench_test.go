package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

// clockTick is USER_HZ, in which /proc/PID/stat counts CPU time; it is 100 on every architecture of Linux that Go knows.
const clockTick = 10 * time.Millisecond

// BenchmarkServe measures the stripped program with every collector on and a receiver: its size, the time to the first
// scrape, its memory when idle, and what a scrape costs it.
func BenchmarkServe(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "chronoops")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	size, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	server, url, took := serveAll(b, binary)
	for range 50 {
		scrapeOnce(b, url)
	}
	time.Sleep(2 * time.Second) // idle
	before := processCPU(b, server.PID())
	n, bytes := 0, 0
	for b.Loop() {
		bytes = scrapeOnce(b, url)
		n++
	}
	cpu := processCPU(b, server.PID()) - before
	b.ReportMetric(float64(size.Size())/1e6, "binary-MB")
	b.ReportMetric(float64(took.Milliseconds()), "start-ms")
	b.ReportMetric(statusMB(b, server.PID(), "VmRSS"), "RSS-MB")
	b.ReportMetric(statusMB(b, server.PID(), "RssAnon"), "anonymous-MB")
	b.ReportMetric(float64(cpu.Microseconds())/float64(n)/1000, "CPU-ms/scrape")
	b.ReportMetric(float64(bytes)/1000, "gzip-kB/scrape")
}

// serveAll starts the program beside a PostgreSQL, a Redis and an nginx, and tells how long it took to answer a scrape.
func serveAll(b *testing.B, binary string) (_ *stack.Server, url string, took time.Duration) {
	b.Helper()
	postgres, err := stack.StartPostgres(b.Context(), stack.PostgresOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = postgres.Stop() })
	redis, err := stack.StartRedis(b.Context(), stack.RedisOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = redis.Stop() })
	nginx, err := stack.StartNginx(b.Context(), stack.NginxOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nginx.Stop() })
	dir := b.TempDir()
	file := filepath.Join(dir, "chronoops.yml")
	config := fmt.Sprintf(`targets:
  postgres: [{name: main, dsn: %q}]
  redis: [{name: cache, url: %q}]
  api: [{name: shop, url: %q, access_log: {path: %q}}]
receiver: {mode: shadow}
`, postgres.URL, redis.URL, nginx.URL, filepath.Join(dir, "access.log"))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	port, err := stack.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	url = "http://" + address + "/metrics"
	begin := time.Now()
	server, err := stack.Start(b.Context(), stack.Command{
		Name: "chronoops", Path: binary,
		Args:  []string{"serve", "--config.file=" + file, "--web.listen-address=" + address, "--storage.path=" + filepath.Join(dir, "state")},
		Ready: stack.HTTPReady(url),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop() })
	return server, url, time.Since(begin)
}

// scrapeOnce asks as Prometheus does and returns the size of the compressed answer, in bytes.
func scrapeOnce(b *testing.B, url string) int {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "gzip" {
		b.Fatalf("scrape: %s, %v", resp.Status, err)
	}
	return int(n)
}

// processCPU is the user and system time of a process, see proc_pid_stat(5).
func processCPU(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// statusMB is a size of /proc/PID/status in megabytes.
func statusMB(b *testing.B, pid int, key string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kB * 1024 / 1e6
		}
	}
	b.Fatalf("no %s in the process' status", key)
	return 0
}
