package redis_test

import (
	"context"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// redisExporter runs the studied exporter until the test ends and returns a function that scrapes it.
func redisExporter(t testing.TB, args ...string) (scrape func() collectortest.Exposition) {
	t.Helper()
	program, err := parts.Find("prometheus-redis-exporter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := stack.StartExporter(context.Background(), stack.ExporterOptions{
		Name: "redis_exporter", Program: program, Args: append([]string{"-web.listen-address=127.0.0.1:@PORT@"}, args...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return func() collectortest.Exposition {
		t.Helper()
		resp, err := http.Get(e.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("scrape redis_exporter: %s %v", resp.Status, err)
		}
		return parse(t, string(body))
	}
}

func parse(t testing.TB, text string) collectortest.Exposition {
	t.Helper()
	x, err := collectortest.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// theirOwn are families that are about the exporter itself, or that we leave out: see missing.
func theirOwn(name string) bool {
	return !strings.HasPrefix(name, "redis_") || strings.HasPrefix(name, "redis_exporter_") || left(name) ||
		strings.Contains(name, "_distrib_") // lines of Redis 8 that they take for databases
}

// differing are families that differ on purpose, and how.
var differing = map[string]string{
	"redis_expired_time_cap_reached_total":     "a gauge up to 1.45, a counter later",
	"redis_instance_info":                      "has one label more in later versions",
	"redis_connected_clients_details":          "several families in later versions",
	"redis_start_time_seconds":                 "computed anew each time it wavers by a second",
	"redis_key_value_as_string":                "values become labels only if that is asked for",
	"redis_stream_group_consumer_idle_seconds": "time goes by",
}

// roughly are families whose values waver from one moment to the next.
func roughly(name string) bool {
	for _, part := range []string{
		"memory", "allocator", "mem_", "buffer", "cpu_", "connected_client_", "latency", "duration_", "avg_ttl", "stale", "clients", "uptime", "hz",
		"net_", "io_", "_processed", "commands_", "last_io", "idle", "repl_offset", "offset_bytes", "lag", "messages", "slowlog", "last_slow",
		"connections_received", "last_ok_ping", "expire_cycle", "fragmentation", "epoch",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// compareWith scrapes us, the exporter and us again, and wants the same of both: names, labels, types, series, and
// values that lie between our two.
func compareWith(t *testing.T, cfg redis.Config, theirs func() collectortest.Exposition) {
	t.Helper()
	s := scraper(t, cfg)
	theirs()
	s.Scrape(enough)
	before := parse(t, s.Scrape(enough).Text)
	them := theirs()
	after := parse(t, s.Scrape(enough).Text)
	compared := 0
	for _, their := range them.Families() {
		if theirOwn(their.Name) {
			continue
		}
		if differing[their.Name] != "" || after["redis_sentinel_masters"] != nil && strings.HasPrefix(their.Name, "redis_db_keys") {
			continue // A sentinel has no databases.
		}
		ours, ok := after[their.Name]
		if !ok {
			t.Errorf("%s is missing", their.Interface())
			continue
		}
		if ours.Interface() != their.Interface() {
			t.Errorf("we have %s, they %s", ours.Interface(), their.Interface())
			continue
		}
		for _, series := range slices.Sorted(maps.Keys(their.Series)) {
			value := their.Series[series]
			a, ok1 := before[their.Name].Series[series]
			b, ok2 := ours.Series[series]
			compared++
			switch {
			case !ok1 && !ok2:
				t.Errorf("%s is missing", series)
			case roughly(their.Name):
			case !between(value, a, b):
				t.Errorf("%s is %v, we have %v and %v", series, value, a, b)
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d series were compared", compared)
	}
	t.Logf("%d families of theirs, %d series compared", len(them), compared)
}

func between(v, a, b float64) bool {
	low, high := math.Min(a, b), math.Max(a, b)
	return math.IsNaN(v) || v >= low-1e-9*math.Abs(low) && v <= high+1e-9*math.Abs(high)
}

func TestAsRedisExporter(t *testing.T) {
	r := start(t, stack.RedisOptions{Args: []string{"--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "0", "--databases", "5"}})
	for _, command := range []string{
		"SET n 42.5", "SET text hello EX 5000", "RPUSH queue:a 1 2 3", "SADD set 1 2", "ZADD zset 1 a", "HSET hash f v g w", "PFADD hll a b c d",
		"XADD stream 1000-1 f v", "XGROUP CREATE stream g 0", "XREADGROUP GROUP g c COUNT 1 STREAMS stream >", "INCR text",
	} {
		do(t, r.Addr, command)
	}
	session(t, r.Addr, "SELECT 3", "SET session:1 9", "SET session:2 x")
	cfg := always(target(r.URL))
	cfg.CheckKeys = []string{"queue:*", "n", "text", "set", "zset", "hash", "hll", "db3=s*:1"}
	cfg.CountKeys = []string{"db3=session:*", "*"}
	cfg.CheckStreams = []string{"str*"}
	cfg.KeyGroups = []string{`^([a-z]+):`}
	cfg.ClientList = true
	compareWith(t, cfg, redisExporter(t, "-redis.addr="+r.URL, "-check-keys=queue:*,n,text,set,zset,hash,hll,db3=s*:1",
		"-count-keys=db3=session:*,*", "-check-streams=str*", "-check-key-groups=^([a-z]+):", "-export-client-list"))
}

func TestAsRedisExporterOfReplica(t *testing.T) {
	primary := start(t, stack.RedisOptions{})
	replica, err := stack.StartReplica(context.Background(), primary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, replica) })
	for _, r := range []*stack.Redis{primary, replica} {
		compareWith(t, target(r.URL), redisExporter(t, "-redis.addr="+r.URL))
	}
}

func TestAsRedisExporterOfCluster(t *testing.T) {
	cluster, err := stack.StartRedisCluster(context.Background(), stack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := cluster.Nodes[4].URL
	compareWith(t, target(url), redisExporter(t, "-redis.addr="+url))
}

func TestAsRedisExporterOfSentinel(t *testing.T) {
	primary := start(t, stack.RedisOptions{})
	sentinel, err := stack.StartSentinel(context.Background(), primary, stack.SentinelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, sentinel) })
	compareWith(t, target(sentinel.URL), redisExporter(t, "-redis.addr="+sentinel.URL))
}
