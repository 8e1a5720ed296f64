package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHold lets node_exporter compete with itself.
func TestHold(t *testing.T) {
	a := &arena{scrapes: 3, log: io.Discard}
	c := contest{name: "itself", about: "One program.", setUp: func(context.Context, *arena) (entries, error) {
		return entries{theirs: []entry{nodeExporter()}, ours: []entry{nodeExporter("--no-collector.uname")}}, nil
	}}
	result, err := a.hold(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"node_uname_info"}, result.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if len(result.Different) > 0 || len(result.Own) > 0 {
		t.Errorf("different %v, own %v", result.Different, result.Own)
	}
	for _, m := range []Measured{result.Theirs, result.Ours} {
		if !slices.Equal(m.Programs, []string{"node_exporter 1.12.1"}) {
			t.Errorf("programs %v", m.Programs)
		}
		for _, name := range []string{"cpu", "cpu_gross", "wall", "rss", "anonymous", "bytes", "bytes_gzip", "families", "series"} {
			if m.Values[name] <= 0 {
				t.Errorf("%s is %v", name, m.Values[name])
			}
		}
		if m.Values["bytes_gzip"] >= m.Values["bytes"] || m.Values["anonymous"] > m.Values["rss"] {
			t.Errorf("values %v", m.Values)
		}
		if calls, ok := m.Values["syscalls"]; ok == (len(m.Notes) > 0) || ok && calls <= m.Values["opens"] {
			t.Errorf("%v system calls, notes %q", calls, m.Notes)
		}
	}
}

func TestAfterRest(t *testing.T) {
	a := &arena{log: io.Discard}
	c, err := a.start(t.Context(), nodeExporter())
	if err != nil {
		t.Fatal(err)
	}
	s := &side{contenders: []*contender{c}, Measured: Measured{Values: make(map[string]float64)}}
	defer s.stop()
	if err := afterRest(t.Context(), []*side{s}, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got := s.Values["cpu_rested"]; got <= 0 || got > 10 {
		t.Errorf("%v s for one scrape", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := afterRest(ctx, []*side{s}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("the user went away: %v", err)
	}
}

func TestHoldStopsWhatFails(t *testing.T) {
	a := &arena{scrapes: 1, log: io.Discard}
	_, err := a.hold(t.Context(), contest{setUp: func(context.Context, *arena) (entries, error) {
		return entries{theirs: []entry{nodeExporter()}, ours: []entry{nodeExporter("--no-such-flag")}}, nil
	}})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("got %v, want what the program said", err)
	}
}

func TestFind(t *testing.T) {
	a := &arena{chronoops: "/x/chronoops"}
	put := func(dir, name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	found := func(name string) string {
		t.Helper()
		p, err := a.find(name)
		if err != nil {
			t.Fatal(err)
		}
		return p.Path
	}
	onPath, peers := t.TempDir(), t.TempDir()
	t.Setenv("PATH", onPath)
	if got := found("node_exporter"); !strings.Contains(got, "node_exporter-") {
		t.Errorf("with nothing else: %s, want the cache's", got)
	}
	debian := put(onPath, "prometheus-redis-exporter", 0o755)
	if got := found("redis_exporter"); got != debian {
		t.Errorf("on PATH by Debian's name: %s", got)
	}
	t.Setenv(peersVar, peers)
	put(peers, "redis_exporter", 0o644)
	if got := found("redis_exporter"); got != debian {
		t.Errorf("a file that cannot be run was chosen: %s", got)
	}
	want := put(peers, "node_exporter", 0o755)
	put(onPath, "node_exporter", 0o755)
	if got := found("node_exporter"); got != want {
		t.Errorf("found %s, want that of %s", got, peersVar)
	}
	if got := found("chronoops"); got != "/x/chronoops" {
		t.Errorf("chronoops is %s", got)
	}
	t.Setenv(peersVar, filepath.Join(peers, "mistyped"))
	if p, err := a.find("node_exporter"); err == nil || !strings.Contains(err.Error(), peersVar) {
		t.Errorf("a folder that is not there: %+v, %v", p, err)
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	if err != nil || len(all) != len(contests) {
		t.Errorf("%d contests, %v", len(all), err)
	}
	some, err := choose("redis,host")
	if err != nil || len(some) != 2 || some[0].name != "redis" || some[1].name != "host" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := choose("host,mongo"); err == nil || !strings.Contains(err.Error(), "mongo") {
		t.Errorf("got %v", err)
	}
}

func TestForgetEnvironment(t *testing.T) {
	for _, name := range []string{"PGHOST", "DATABASE_URL", "DATA_SOURCE_NAME", "REDIS_ADDR", "API_URL", "GOGC", "UNTOUCHED"} {
		t.Setenv(name, "x")
	}
	forgetEnvironment()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); slices.Contains([]string{"PGHOST", "DATABASE_URL", "DATA_SOURCE_NAME", "REDIS_ADDR", "API_URL", "GOGC"}, name) {
			t.Errorf("%s is still there", name)
		}
	}
	if os.Getenv("UNTOUCHED") != "x" {
		t.Error("UNTOUCHED is gone")
	}
}

func TestProxyCountsTurns(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() { // an echo
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	p, err := startProxy(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := net.Dial("tcp", p.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		buf := make([]byte, 4)
		for range 3 {
			if _, err := c.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "ping" {
				t.Fatalf("%q, %v", buf, err)
			}
		}
	}
	var got []float64
	for _, c := range p.counters("x") {
		v, err := c.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if diff := cmp.Diff([]float64{2, 6}, got); diff != "" {
		t.Errorf("connections and turns (-want +got):\n%s", diff)
	}
	last, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := last.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived the proxy")
	}
	if c, err := net.Dial("tcp", p.addr()); err == nil {
		c.Close()
		t.Error("the proxy accepts after it was closed")
	}
}

// noProcess is past the largest process id that there can be.
const noProcess = 1 << 22

func TestCPUTime(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after == before; { // any work shows: the clock counts nanoseconds
		if after, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cpuTime(noProcess); err == nil {
		t.Error("a process that is none has a clock")
	}
	if m, err := memoryOf(os.Getpid()); err != nil || m.rss < m.anonymous || m.anonymous == 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

const straceTable = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.61    0.000200          10        20         3 openat
 39.39    0.000130           1       100           read
  0.00    0.000000           0         2           open
------ ----------- ----------- --------- --------- ----------------
100.00    0.000330           2       122         3 total
`

func TestParseStrace(t *testing.T) {
	got, err := parseStrace(straceTable)
	if err != nil || got != (calls{all: 122, opens: 22}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "cut off": straceTable[:300], "another sum": strings.Replace(straceTable, "122", "123", 1),
	} {
		if _, err := parseStrace(text); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzParseStrace(f *testing.F) {
	f.Add(straceTable)
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseStrace(text); err == nil && c.opens > c.all {
			t.Errorf("%+v", c)
		}
	})
}

const rollup = `55d0c4e00000-7ffd5d5fe000 ---p 00000000 00:00 0                          [rollup]
Rss:               23552 kB
Pss:               23000 kB
Anonymous:          8800 kB
`

func TestParseSmapsRollup(t *testing.T) {
	got, err := parseSmapsRollup(rollup)
	if err != nil || got != (memory{rss: 23552 << 10, anonymous: 8800 << 10}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "Rss: 1 kB\n", strings.Replace(rollup, "8800", "much", 1), strings.Replace(rollup, "8800 kB", "8800 MB", 1)} {
		if _, err := parseSmapsRollup(text); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}

func FuzzParseSmapsRollup(f *testing.F) {
	f.Add(rollup)
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseSmapsRollup(text); err == nil && (m.rss < 0 || m.anonymous < 0) {
			t.Errorf("%+v", m)
		}
	})
}

func TestReport(t *testing.T) {
	theirs := Measured{
		Programs: []string{"node_exporter 1"}, Values: map[string]float64{"cpu": 0.01, "cpu_idle": 0.0001, "opens": 201, "rss": 32 << 20, "families": 4},
		Families: []string{"a{} gauge", "b{x} gauge", "c{x,y} counter", "d{} gauge"},
	}
	ours := Measured{
		Programs: []string{"chronoops 2"}, Values: map[string]float64{"cpu": 0.0025, "cpu_idle": 0, "rss": 16 << 20, "families": 3},
		Families: []string{"b{x} gauge", "c{x,z} gauge", "d{} counter", "e{} gauge"}, Notes: []string{"system calls of chronoops: strace cannot attach"},
	}
	r := report{Scrapes: 7, Contests: []Contest{judge(contest{name: "host", about: "This host."}, 7, theirs, ours)}}
	dir := filepath.Join(t.TempDir(), "new")
	var shown bytes.Buffer
	if err := r.write(dir, &shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| host | 0.25 | – | – | – | 0.50 | – | – | 1 of 4 |",
		"| per scrape | node_exporter 1 | chronoops 2 | ours by theirs |",
		"| CPU, user and system | 10.00 ms | 2.50 ms | 0.25 |",
		"| … of which when nobody asks | 0.10 ms | 0.00 ms | – |",
		"| files opened | 201 | – | – |",
		"| RSS | 32.0 MiB | 16.0 MiB | 0.50 |",
		"Families that only they have (1): `a`",
		"Families that we have with `z` and without `y` and as gauge instead of counter (1): c",
		"Families that we have as counter instead of gauge (1): d",
		"Families that only we have (1): `e`",
		"Not measured: system calls of chronoops: strace cannot attach",
		"How the rows were made",
	} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("no %q in\n%s", want, shown.String())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "compare.md"))
	if err != nil || string(text) != shown.String() {
		t.Errorf("compare.md is another text than was shown: %v", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "compare.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Contests, back.Contests); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestTraceSaysWhy(t *testing.T) {
	_, err := trace(t.Context(), 1<<30, func() error { return errors.New("not to be called") })
	if err == nil || !strings.Contains(err.Error(), "attach") {
		t.Errorf("got %v", err)
	}
}
