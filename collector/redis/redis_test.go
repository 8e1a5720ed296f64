package redis_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

// families lists an exposition as `name{labels} type`, one family a line.
func families(t *testing.T, text string) []string {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, mf := range mfs {
		var labels []string
		for _, l := range mf.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		lines = append(lines, name+"{"+strings.Join(labels, ",")+"} "+strings.ToLower(mf.GetType().String()))
	}
	slices.Sort(lines)
	return lines
}

// TestFamilies holds names, labels and types to those of redis_exporter.
func TestFamilies(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET k v EX 100")
	do(t, r.Addr, "NO SUCH COMMAND")
	c := collect(t, redis.Options{Config: target(r.URL)})
	collectortest.Text(t, c) // so that our own commands are in the statistics
	got := families(t, collectortest.Text(t, c))
	golden := "testdata/families" + variant() + ".txt"
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeclared checks that what is emitted is declared in the part that emits it.
func TestDeclared(t *testing.T) {
	c := collect(t, redis.Options{Config: target(server(t).URL)})
	for _, part := range c.Parts() {
		declared := map[string]bool{"redis_up": true}
		for _, f := range part.Families {
			declared[f.Name] = true
		}
		text, success := collectortest.Scrape(t, c, part.Name)
		if !success[part.Name] {
			t.Errorf("part %s failed", part.Name)
		}
		for _, line := range families(t, text) {
			if name, _, _ := strings.Cut(line, "{"); !declared[name] {
				t.Errorf("part %s emits %s, which it does not declare", part.Name, name)
			}
		}
	}
}

func TestValues(t *testing.T) {
	r := start(t, stack.RedisOptions{Args: []string{"--maxmemory", "10mb", "--maxclients", "77", "--databases", "3"}})
	for _, command := range []string{"SET a 1", "SET b 1 EX 1000", "GET a", "GET nothing", "INCR"} {
		do(t, r.Addr, command)
	}
	o := scraper(t, target(r.URL)).Scrape(enough)
	wantUp(t, o)
	if since(t, r, 7) {
		wantSamples(t, o, map[string]string{
			`redis_commands_rejected_calls_total{cmd="incr"}`: "1", `redis_errors_total{err="ERR"}`: "1", `redis_max_clients`: "77",
		})
	}
	for series, want := range map[string]string{
		`redis_db_keys{db="db0"}`:          "2",
		`redis_db_keys_expiring{db="db0"}`: "1",
		`redis_db_keys{db="db2"}`:          "0",
		`redis_db_keys{db="db3"}`:          "",
		`redis_keyspace_hits_total`:        "1",
		`redis_keyspace_misses_total`:      "1",
		`redis_commands_total{cmd="set"}`:  "2",
		`redis_memory_max_bytes`:           "1.048576e+07",
		`redis_config_maxmemory`:           "1.048576e+07",
		`redis_config_maxclients`:          "77",
		`redis_rdb_last_bgsave_status`:     "1",
		`redis_master_repl_offset`:         "0",
		`redis_connected_slaves`:           "0",
		`redis_slowlog_length`:             "0",
		`redis_config_client_output_buffer_limit_bytes{class="pubsub",limit="hard"}`:            "3.3554432e+07",
		`redis_config_client_output_buffer_limit_bytes{class="pubsub",limit="soft"}`:            "8.388608e+06",
		`redis_config_client_output_buffer_limit_overcome_seconds{class="pubsub",limit="soft"}`: "60",
	} {
		if got := o.Sample(series); got != want {
			t.Errorf("%s = %q, want %q", series, got, want)
		}
	}
	if !strings.Contains(o.Text, `redis_instance_info{master_replid="`) || !strings.Contains(o.Text, `role="master"`) {
		t.Error("no redis_instance_info")
	}
}

func TestReplica(t *testing.T) {
	primary := start(t, stack.RedisOptions{})
	host, port, _ := strings.Cut(primary.Addr, ":")
	replica := start(t, stack.RedisOptions{Args: []string{"--replicaof", host, port}})
	s := scraper(t, target(replica.URL))
	labels := `{master_host="` + host + `",master_port="` + port + `"}`
	link := "redis_master_link_up" + labels
	var o collectortest.Outcome
	eventually(t, "the link", func() bool {
		o = s.Scrape(enough)
		return o.Sample(link) == "1"
	})
	for series, want := range map[string]string{
		"redis_master_sync_in_progress" + labels:                                                "0",
		`redis_slave_info{master_host="` + host + `",master_port="` + port + `",read_only="1"}`: "1",
	} {
		if got := o.Sample(series); got != want {
			t.Errorf("%s = %q, want %q", series, got, want)
		}
	}
	if o.Sample("redis_slave_repl_offset"+labels) == "" || o.Sample("redis_master_last_io_seconds_ago"+labels) == "" {
		t.Error("the replica's offset or the time of its last word is missing")
	}
	ps := scraper(t, target(primary.URL))
	eventually(t, "the replica at the primary", func() bool {
		text := ps.Scrape(enough).Text
		return strings.Contains(text, `redis_connected_slave_lag_seconds{slave_ip="`) &&
			strings.Contains(text, `redis_connected_slave_offset_bytes{slave_ip="`) &&
			strings.Contains(text, `slave_state="online"}`)
	})
	stop(t, primary)
	eventually(t, "the link to go down", func() bool { return s.Scrape(enough).Sample(link) == "0" })
}

// TestManyScrapes holds one round trip per scrape, one connection for all, and memory and goroutines that do not
// grow.
func TestManyScrapes(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET queue 1")
	proxy := collectortest.NewProxy(t, r.Addr)
	cfg := target("redis://" + proxy.Addr)
	cfg.ClientList = true
	s := scraper(t, cfg)
	first := s.Scrape(enough)
	wantUp(t, first)
	for range 100 {
		wantUp(t, s.Scrape(enough))
	}
	cold, goroutines, heap := proxy.Traffic(), runtime.NumGoroutine(), heapInUse()
	n := collectortest.ManyScrapes()
	for range n {
		if o := s.Scrape(enough); o.Sample("redis_up") != "1" {
			t.Fatal("the server is down")
		}
	}
	got := proxy.Traffic()
	if got.Trips-cold.Trips != n || got.Connections != 1 {
		t.Errorf("%d scrapes took %d round trips and %d connections", n, got.Trips-cold.Trips, got.Connections)
	}
	if now := clients(t, r.Addr); now != 1 {
		t.Errorf("%d connections of ours, want 1", now)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	if now := heapInUse(); now > heap+1<<20 {
		t.Errorf("%d bytes in use, %d before", now, heap)
	}
	if log := s.Log(); len(log) > 0 {
		t.Errorf("logged %q", log)
	}
	const start = "redis_start_time_seconds"
	if a, b := first.Sample(start), s.Scrape(enough).Sample(start); a == "" || a != b {
		t.Errorf("the start time was %s and is %s", a, b)
	}
}

func heapInUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestFiftyRestarts holds one connection and no growth across restarts of the server.
func TestFiftyRestarts(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	port := r.Port
	cfg := always(target(r.URL))
	cfg.CheckKeys = []string{"k*"}
	s := scraper(t, cfg)
	wantUp(t, s.Scrape(enough))
	goroutines := runtime.NumGoroutine()
	for i := range 50 {
		stop(t, r)
		if i%10 == 0 {
			wantDown(t, s.Scrape(enough), "refused")
		}
		r = start(t, stack.RedisOptions{Port: port})
		wantUp(t, s.Scrape(enough))
	}
	if n := clients(t, r.Addr); n != 1 {
		t.Errorf("%d connections of ours, want 1", n)
	}
	eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines+2 }) // of the server's own
}

func TestFilesAreReadAtEachConnect(t *testing.T) {
	r := start(t, stack.RedisOptions{Args: []string{"--requirepass", "second"}})
	dir := t.TempDir()
	cfg := redis.Config{Name: "cache", URLFile: filepath.Join(dir, "url"), PasswordFile: filepath.Join(dir, "password")}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := scraper(t, cfg)
	wantDown(t, s.Scrape(enough), "config")
	write("url", r.URL+"\n")
	wantDown(t, s.Scrape(enough), "config")
	write("password", "\n")
	wantDown(t, s.Scrape(enough), "config")
	write("password", "first\n")
	wantDown(t, s.Scrape(enough), "wrong_credentials")
	write("password", "second\n")
	wantUp(t, s.Scrape(enough))
}

func TestClose(t *testing.T) {
	r := server(t)
	before := clients(t, r.Addr)
	c := collect(t, redis.Options{Config: target(r.URL)})
	s := collectortest.NewScraper(t, c)
	wantUp(t, s.Scrape(enough))
	c.Close()
	c.Close()
	eventually(t, "the connection to go", func() bool { return clients(t, r.Addr) == before })
	wantDown(t, s.Scrape(enough), "error")
}

// BenchmarkScrape is a warm scrape of all parts, less the encoding.
func BenchmarkScrape(b *testing.B) {
	s := scraper(b, target(server(b).URL))
	if o := s.Scrape(enough); o.Sample("redis_up") != "1" {
		b.Fatal(o.Text)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
