package redis_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A server that the tests share; those that hurt their server start one of their own.
var (
	shared     *stack.Redis
	errShared  error
	sharedOnce sync.Once
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func server(t testing.TB) *stack.Redis {
	t.Helper()
	sharedOnce.Do(func() { shared, errShared = stack.StartRedis(context.Background(), stack.RedisOptions{}) })
	if errShared != nil {
		t.Fatal(errShared)
	}
	return shared
}

// start runs a server for one test.
func start(t testing.TB, o stack.RedisOptions) *stack.Redis {
	t.Helper()
	r, err := stack.StartRedis(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t testing.TB, r *stack.Redis) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
}

// do sends one command in the inline form and returns the reply: its one line, or the text of a bulk string.
func do(t testing.TB, addr, command string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", command)
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "$") {
		return line
	}
	var n int
	if _, err := fmt.Sscan(line[1:], &n); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	buf := make([]byte, max(n, 0)) // -1 stands for no value
	if _, err := io.ReadFull(r, buf); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(buf)
}

// clients counts the connections that the collector holds.
func clients(t testing.TB, addr string) int {
	t.Helper()
	return strings.Count(do(t, addr, "CLIENT LIST"), " name=chronoops ")
}

func target(url string) redis.Config {
	return redis.Config{Name: "cache", URL: config.Secret(url)}
}

func collect(t testing.TB, o redis.Options) *redis.Collector {
	t.Helper()
	c, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func scraper(t testing.TB, cfg redis.Config) *collectortest.Scraper {
	t.Helper()
	return collectortest.NewScraper(t, collect(t, redis.Options{Config: cfg}))
}

// enough is a timeout that is never met, short one that is meant to be.
const (
	enough = 30 * time.Second
	short  = 1500 * time.Millisecond
)

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(enough); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantDown checks for redis_up 0 with the reason and nothing else of the server.
func wantDown(t testing.TB, o collectortest.Outcome, reason string) {
	t.Helper()
	if got := o.Sample("redis_up"); got != "0" {
		t.Errorf("redis_up = %q, want 0", got)
	}
	if series := `chronoops_target_down{kind="redis",reason="` + reason + `"}`; o.Sample(series) != "1" {
		t.Errorf("no %s in\n%s", series, o.Text)
	}
	for part, ok := range o.Success {
		if ok {
			t.Errorf("part %s succeeded", part)
		}
	}
}

// wantUp checks for redis_up 1 and that all parts but the named ones succeeded.
func wantUp(t testing.TB, o collectortest.Outcome, failed ...string) {
	t.Helper()
	if got := o.Sample("redis_up"); got != "1" {
		t.Errorf("redis_up = %q, want 1\n%s", got, o.Text)
	}
	want := make(map[string]bool)
	for _, part := range failed {
		want[part] = true
	}
	for part, ok := range o.Success {
		if ok == want[part] {
			t.Errorf("part %s: success %v", part, ok)
		}
	}
}
