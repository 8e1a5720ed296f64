package api

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
)

func newLog(t testing.TB, cfg AccessLogConfig) *accessLog {
	t.Helper()
	if cfg.Format == "" {
		cfg.Format = FormatCombined
	}
	if cfg.MaxRoutes == 0 {
		cfg.MaxRoutes = DefaultMaxRoutes
	}
	a, err := newAccessLog("backend", cfg, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// counters returns method, status and route of each counter with its value as shown.
func counters(r *requests) map[string]uint64 {
	m := map[string]uint64{}
	r.each(func(n uint64, method, status, route string) { m[method+" "+status+" "+route] = n })
	return m
}

func TestSeriesBeginAtZero(t *testing.T) {
	a := newLog(t, AccessLogConfig{Path: "/x"})
	line := []byte(combinedHead + ` "-" "-" "-" rt=0.3`)
	a.take(line, true)
	a.take(line, true)
	const key = "GET 200 /api/v1/stocks/:code/data"
	for i, want := range []uint64{0, 2, 2} {
		if got := counters(a.requests)[key]; got != want {
			t.Errorf("scrape %d: got %d, want %d", i, got, want)
		}
		mfs, err := a.requests.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, mf := range mfs {
			h := mf.Metric[0].Histogram
			last := h.Bucket[len(h.Bucket)-1].GetCumulativeCount()
			if h.GetSampleCount() != want || last != want || (h.GetSampleSum() > 0) != (want > 0) {
				t.Errorf("scrape %d: %s counts %d, want %d: %v", i, mf.GetName(), h.GetSampleCount(), want, h)
			}
		}
	}
}

func TestBucketEdges(t *testing.T) {
	a := newLog(t, AccessLogConfig{Path: "/x"})
	for _, rt := range []string{"0.200", "0.201", "0.500", "10.001"} {
		a.take([]byte(combinedHead+` "-" "-" "-" rt=`+rt), true)
	}
	if _, err := a.requests.Gather(); err != nil {
		t.Fatal(err)
	}
	mfs, err := a.requests.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[float64]uint64{}
	for _, b := range mfs[0].Metric[0].Histogram.Bucket {
		got[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	if got[.1] != 0 || got[.2] != 1 || got[.35] != 2 || got[.5] != 3 || got[10] != 3 {
		t.Errorf("buckets %v", got)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	a := newLog(t, AccessLogConfig{Path: "/x", MaxRoutes: 5})
	for i := range 20 {
		for s := 100; s < 620; s++ {
			for _, m := range []string{"GET", "POST", "BREW", "get", "PUT"} {
				a.take(fmt.Appendf(nil, `h - - [t] "%s /r%c HTTP/1.1" %03d 1 "-" "-" "-" rt=1`, m, 'a'+i, s), true)
			}
		}
	}
	if n := len(a.requests.counts); n > a.requests.maxSeries+len(methods)*501 {
		t.Errorf("%d counters", n)
	}
	if n := len(a.requests.times); n > len(methods)*6 {
		t.Errorf("%d histograms", n)
	}
	counters(a.requests)
	var sum uint64
	for key, n := range counters(a.requests) {
		sum += n
		method, rest, _ := strings.Cut(key, " ")
		if method != "GET" && method != "POST" && method != "PUT" && method != "other" {
			t.Errorf("method %q", method)
		}
		if status, _, _ := strings.Cut(rest, " "); status > "599" && status != "other" {
			t.Errorf("status %q", status)
		}
	}
	if want := uint64(20 * 520 * 5); sum != want {
		t.Errorf("%d requests are counted, want %d", sum, want)
	}
}

func TestSampleHidesQueries(t *testing.T) {
	got := sample([]byte("GET /a?token=secret HTTP \xff\x00" + strings.Repeat("x", 1000) + "?secret"))
	if strings.Contains(got, "secret") || strings.Contains(got, "\xff") || len(got) > sampleBytes+4 {
		t.Errorf("sample %q", got)
	}
	if !strings.HasPrefix(got, "GET /a?… HTTP") {
		t.Errorf("sample %q", got)
	}
}

func TestUnparsedIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	a := newLog(t, AccessLogConfig{Path: "/x"})
	a.log = slog.New(slog.NewTextHandler(&out, nil))
	for range 100 {
		a.take([]byte("no access log"), true)
	}
	a.take([]byte(combinedHead), false) // too long
	a.take([]byte("\r"), true)
	if a.lines != 101 || a.unparsed != 101 {
		t.Errorf("lines %d, unparsed %d", a.lines, a.unparsed)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d log lines:\n%s", n, out.String())
	}
}

func TestAccessLogExposition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	c := newCollector(t, Options{Config: Config{
		Name: "backend", URL: "http://127.0.0.1:1", AccessLog: &AccessLogConfig{Path: path},
	}})
	if _, ok := collectortest.Scrape(t, c, PartAccessLog); ok[PartAccessLog] {
		t.Error("a missing log is a success")
	}
	lines := []string{
		combinedHead + ` "-" "curl/8" "-"`,
		combinedHead + ` "-" "curl/8" "-" rt=0.123 uct="0.001" uht="0.120" urt="0.121"`,
		`192.0.2.7 - - [25/Oct/2025:18:23:19 +0800] "POST /api/v1/auth/login HTTP/1.1" 500 21 "-" "curl/8" "-" rt=0.501 uct="0.001, 0.001" uht="-, 0.5" urt="0.001, 0.500"`,
		`192.0.2.7 - - [25/Oct/2025:18:23:19 +0800] "GET /.env HTTP/1.1" 404 153 "-" "curl/8" "-"`,
		`192.0.2.7 - - [25/Oct/2025:18:23:20 +0800] "\x16\x03\x01" 400 157 "-" "-" "-"`,
		"not an access log \xff",
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	collectortest.Scrape(t, c, PartAccessLog)
	got, ok := collectortest.Scrape(t, c, PartAccessLog)
	if !ok[PartAccessLog] {
		t.Error("the part failed")
	}
	golden(t, "accesslog.txt", got)
}

func BenchmarkAccessLog(b *testing.B) {
	a := newLog(b, AccessLogConfig{Path: "/x", Routes: []string{"/api/v1/stocks/:code/data", "/api/v1/users/:id/*", "/static/*"}})
	var lines [][]byte
	for i := range 64 {
		lines = append(lines, fmt.Appendf(nil, `192.0.2.%d - - [25/Oct/2025:18:23:18 +0800] "GET /api/v1/r%c/%06d.SZ/data?from=2025-01-01 HTTP/1.1" 200 1234 `+
			`"https://front.example/page" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" "-" rt=0.123 uct="0.001" uht="0.120" urt="0.121"`, i, 'a'+i%26, i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a.take(lines[i%len(lines)], true)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	if a.unparsed > 0 {
		b.Fatal("unparsed lines")
	}
}

func BenchmarkTailer(b *testing.B) {
	path := filepath.Join(b.TempDir(), "access.log")
	line := combinedHead + ` "https://front.example/page" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" "-" rt=0.123 uct="0.001" uht="0.120" urt="0.121"` + "\n"
	a := newLog(b, AccessLogConfig{Path: path})
	if _, err := a.tail.drain(b.Context()); err == nil {
		b.Fatal("the log should not exist yet")
	}
	const n = 100_000
	if err := os.WriteFile(path, []byte(strings.Repeat(line, n)), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		a.tail.cur, a.tail.marks = nil, nil
		for more := true; more; {
			var err error
			if more, err = a.tail.drain(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if a.lines != uint64(b.N)*n {
		b.Fatalf("%d lines, want %d", a.lines, b.N*n)
	}
	b.ReportMetric(float64(a.lines)/b.Elapsed().Seconds(), "lines/s")
}
