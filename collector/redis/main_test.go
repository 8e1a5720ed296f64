package redis_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shared is a server for the tests; those that hurt their server start one of their own.
var shared = stacktest.Share(func(ctx context.Context) (*stack.Redis, error) {
	return stack.StartRedis(ctx, stack.RedisOptions{})
})

func TestMain(m *testing.M) { shared.Main(m) }

func server(t testing.TB) *stack.Redis {
	t.Helper()
	return shared.Get(t)
}

// start runs a server for one test.
func start(t testing.TB, o stack.RedisOptions) *stack.Redis {
	t.Helper()
	r, err := stack.StartRedis(context.Background(), o)
	return stacktest.Run(t, r, err)
}

func stop(t testing.TB, r *stack.Redis) {
	t.Helper()
	stacktest.Stop(t, r)
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

var kind = collectortest.Kind{Name: "redis", Up: "redis_up"}

func wantDown(t testing.TB, o collectortest.Outcome, reason string) {
	t.Helper()
	kind.WantDown(t, o, reason)
}

func wantUp(t testing.TB, o collectortest.Outcome, failed ...string) {
	t.Helper()
	kind.WantUp(t, o, failed...)
}
