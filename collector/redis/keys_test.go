package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

// always makes each scrape begin a new walk.
func always(c redis.Config) redis.Config {
	c.KeyChecks.Interval = new(model.Duration)
	c.KeyChecks.TimePerScrape = model.Duration(time.Minute)
	return c
}

func wantSamples(t *testing.T, o collectortest.Outcome, want map[string]string) {
	t.Helper()
	for series, value := range want {
		if got := o.Sample(series); got != value {
			t.Errorf("%s = %q, want %q", series, got, value)
		}
	}
}

func TestKeys(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	for _, command := range []string{
		"SET n 42.5", "SET text s3cr3t", "SET long " + strings.Repeat("7", 100), "RPUSH queue:a 1 2 3", "RPUSH queue:b 1", "SADD set 1 2",
		"ZADD zset 1 a", "HSET hash f v g w", "PFADD hll a b c d", "XADD stream * f v", "SET [odd] 1", "SET other 1",
	} {
		do(t, r.Addr, command)
	}
	session(t, r.Addr, "SELECT 3", "SET session:1 9", "SET session:2 x", "LPUSH n 1")
	cfg := always(target(r.URL))
	cfg.CheckKeys = []string{"queue:*", "n", "text", "long", "set", "zset", "hash", "hll", "stream", "nothing", "3=n", "q*:a"}
	cfg.CheckSingleKeys = []string{"[odd]", "queue:b"}
	cfg.CountKeys = []string{"db3=session:*", "nothing*", "other"}
	s := scraper(t, cfg)
	o := s.Scrape(enough)
	wantUp(t, o)
	wantSamples(t, o, map[string]string{
		`redis_key_size{db="db0",key="queue:a"}`:       "3",
		`redis_key_size{db="db0",key="queue:b"}`:       "1",
		`redis_key_size{db="db0",key="n"}`:             "4",
		`redis_key_value{db="db0",key="n"}`:            "42.5",
		`redis_key_size{db="db3",key="n"}`:             "1",
		`redis_key_size{db="db0",key="text"}`:          "6",
		`redis_key_value{db="db0",key="text"}`:         "",
		`redis_key_size{db="db0",key="long"}`:          "100",
		`redis_key_value{db="db0",key="long"}`:         "", // only its beginning was read
		`redis_key_size{db="db0",key="set"}`:           "2",
		`redis_key_size{db="db0",key="zset"}`:          "1",
		`redis_key_size{db="db0",key="hash"}`:          "2",
		`redis_key_size{db="db0",key="hll"}`:           "4",
		`redis_key_size{db="db0",key="stream"}`:        "1",
		`redis_key_size{db="db0",key="[odd]"}`:         "1",
		`redis_key_value{db="db0",key="[odd]"}`:        "1",
		`redis_key_size{db="db0",key="nothing"}`:       "",
		`redis_key_size{db="db0",key="other"}`:         "",
		`redis_keys_count{db="db3",key="session:*"}`:   "2",
		`redis_keys_count{db="db0",key="nothing*"}`:    "0",
		`redis_keys_count{db="db0",key="other"}`:       "1",
		`chronoops_redis_keys_chosen`:                  "1",
		`chronoops_redis_keys_left_out{pass="named"}`:  "0",
		`chronoops_redis_keys_age_seconds{pass="zzz"}`: "",
	})
	if strings.Contains(o.Text, "s3cr3t") {
		t.Error("the value of a key is in a label")
	}
	if memory := o.Sample(`redis_key_memory_usage_bytes{db="db0",key="queue:a"}`); memory == "" || memory == "0" {
		t.Errorf("memory of queue:a is %q", memory)
	}
	for _, pass := range []string{"named", "scanned"} {
		age, err := strconv.ParseFloat(o.Sample(`chronoops_redis_keys_age_seconds{pass="`+pass+`"}`), 64)
		if err != nil || age < 0 || age > enough.Seconds() {
			t.Errorf("the age of %s is %v, %v", pass, age, err)
		}
	}
	// The statistics stay clean: no command that does not fit the key's type was tried.
	if stats := do(t, r.Addr, "INFO errorstats"); strings.Contains(stats, "errorstat_") {
		t.Errorf("the server counts errors: %s", stats)
	}
	// A key that is gone is gone in the next walk.
	do(t, r.Addr, "DEL queue:a text")
	if o := s.Scrape(enough); o.Sample(`redis_key_size{db="db0",key="queue:a"}`)+o.Sample(`redis_key_size{db="db0",key="text"}`) != "" {
		t.Error("deleted keys are still there")
	}
}

func TestKeyValuesAsLabels(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET text hello")
	do(t, r.Addr, "SET n 1")
	cfg := always(target(r.URL))
	cfg.CheckKeys = []string{"text", "n"}
	cfg.KeyChecks.Values = redis.KeyValuesAll
	wantSamples(t, scraper(t, cfg).Scrape(enough), map[string]string{
		`redis_key_value_as_string{db="db0",key="text",val="hello"}`: "1", `redis_key_value{db="db0",key="n"}`: "1",
	})
	cfg.KeyChecks.Values = redis.KeyValuesNone
	o := scraper(t, cfg).Scrape(enough)
	if strings.Contains(o.Text, "redis_key_value") {
		t.Error("values are shown")
	}
}

func TestStreams(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	for _, command := range []string{
		"XADD events 1000-1 f v", "XADD events 2000-1 f v", "XADD events 3000-1 f v", "XGROUP CREATE events g 0", "XDEL events 2000-1",
		"XREADGROUP GROUP g alice COUNT 1 STREAMS events >", "XGROUP CREATE events idle $", "XGROUP CREATE empty g $ MKSTREAM", "SET eventsnot 1",
		"SET plain 1",
	} {
		do(t, r.Addr, command)
	}
	cfg := always(target(r.URL))
	cfg.CheckStreams = []string{"e*"}
	cfg.CheckSingleStreams = []string{"plain", "nothing", "empty"}
	o := scraper(t, cfg).Scrape(enough)
	wantUp(t, o)
	stream, group := `{db="db0",stream="events"}`, `{db="db0",group="g",stream="events"}`
	wantSamples(t, o, map[string]string{
		"redis_stream_length" + stream:                 "2",
		"redis_stream_groups" + stream:                 "2",
		"redis_stream_first_entry_id" + stream:         "1000",
		"redis_stream_last_entry_id" + stream:          "3000",
		"redis_stream_last_generated_id" + stream:      "3000",
		"redis_stream_radix_tree_keys" + stream:        "1",
		"redis_stream_group_consumers" + group:         "1",
		"redis_stream_group_messages_pending" + group:  "1",
		"redis_stream_group_last_delivered_id" + group: "1000",
		`redis_stream_group_consumer_messages_pending{consumer="alice",db="db0",group="g",stream="events"}`: "1",
		`redis_stream_group_consumers{db="db0",group="idle",stream="events"}`:                               "0",
		`redis_stream_length{db="db0",stream="empty"}`:                                                      "0",
		`redis_stream_first_entry_id{db="db0",stream="empty"}`:                                              "0",
		`redis_stream_length{db="db0",stream="plain"}`:                                                      "",
	})
	if since(t, r, 7) {
		wantSamples(t, o, map[string]string{
			"redis_stream_max_deleted_entry_id" + stream: "2000", "redis_stream_entries_added_total" + stream: "3",
		})
	}
	if o.Sample(`redis_stream_group_consumer_idle_seconds{consumer="alice",db="db0",group="g",stream="events"}`) == "" {
		t.Error("no idle time")
	}
	cfg.KeyChecks.NoConsumers = true
	if o := scraper(t, cfg).Scrape(enough); strings.Contains(o.Text, "alice") {
		t.Error("consumers are shown")
	}
}

func TestManyConsumers(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "XGROUP CREATE s g 0 MKSTREAM")
	for i := range 250 {
		do(t, r.Addr, "XADD s * f v")
		do(t, r.Addr, fmt.Sprintf("XREADGROUP GROUP g c%03d COUNT 1 STREAMS s >", i))
	}
	cfg := always(target(r.URL))
	cfg.CheckStreams = []string{"s"}
	o := scraper(t, cfg).Scrape(enough)
	if n := strings.Count(o.Text, "\nredis_stream_group_consumer_idle_seconds{"); n != 100 {
		t.Errorf("%d consumers are shown, want 100", n)
	}
	wantSamples(t, o, map[string]string{
		`chronoops_redis_keys_left_out{pass="named"}`:                 "150",
		`redis_stream_group_consumers{db="db0",group="g",stream="s"}`: "250",
	})
}

func TestKeyGroups(t *testing.T) {
	r := start(t, stack.RedisOptions{Args: []string{"--databases", "3"}})
	var commands []string
	for i := range 300 {
		commands = append(commands, fmt.Sprintf("SET user:%d:profile x", i), fmt.Sprintf("SET cart:%d x", i%20))
	}
	commands = append(commands, "SET lonely x", "SELECT 2", "SET user:1:profile x")
	session(t, r.Addr, commands...)
	cfg := always(target(r.URL))
	cfg.KeyGroups = []string{`^(user):[0-9]+(:profile)$`, `^(cart:[0-9])`}
	cfg.KeyChecks.MaxGroups = 3
	cfg.KeyChecks.Batch = 50
	s := scraper(t, cfg)
	o := s.Scrape(enough)
	wantUp(t, o)
	wantSamples(t, o, map[string]string{
		`redis_key_group_count{db="db0",key_group="user:profile"}`: "300",
		`redis_key_group_count{db="db0",key_group="cart:1"}`:       "11", // 1 and 10 to 19
		`redis_number_of_distinct_key_groups{db="db0"}`:            "12",
		`redis_number_of_distinct_key_groups{db="db1"}`:            "0",
		`redis_key_group_count{db="db2",key_group="user:profile"}`: "1",
		`chronoops_redis_keys_left_out{pass="scanned"}`:            "9",
	})
	total := 0
	for line := range strings.Lines(o.Text) {
		if strings.HasPrefix(line, `redis_key_group_count{db="db0"`) {
			n, _ := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
			total += n
		}
	}
	if total != 321 || !strings.Contains(o.Text, `key_group="overflow"`) {
		t.Errorf("the groups have %d keys, want 321", total)
	}
	if memory := o.Sample(`redis_key_group_memory_usage_bytes{db="db0",key_group="user:profile"}`); memory == "" || memory == "0" {
		t.Errorf("memory of a group is %q", memory)
	}
}

func TestMaxKeys(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	var commands []string
	for i := range 500 {
		commands = append(commands, fmt.Sprintf("SET k:%d 1", i))
	}
	session(t, r.Addr, commands...)
	cfg := always(target(r.URL))
	cfg.CheckKeys = []string{"k:*"}
	cfg.KeyChecks.MaxKeys = 20
	s := scraper(t, cfg)
	for range 2 {
		o := s.Scrape(enough)
		if n := strings.Count(o.Text, "\nredis_key_size{"); n != 20 {
			t.Errorf("%d keys are shown, want 20", n)
		}
		wantSamples(t, o, map[string]string{`chronoops_redis_keys_left_out{pass="scanned"}`: "480"})
	}
}

// TestKeyInterval has values that are shown again until the next walk, with their age.
func TestKeyInterval(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "RPUSH q 1")
	now := time.Unix(1_700_000_000, 0)
	cfg := target(r.URL)
	cfg.CheckKeys = []string{"q", "q*"}
	cfg.KeyChecks.TimePerScrape = model.Duration(time.Minute)
	s := collectortest.NewScraper(t, collect(t, redis.Options{Config: cfg, Now: func() time.Time { return now }}))
	const size, age = `redis_key_size{db="db0",key="q"}`, `chronoops_redis_keys_age_seconds{pass="named"}`
	wantSamples(t, s.Scrape(enough), map[string]string{size: "1", age: "0"})
	do(t, r.Addr, "RPUSH q 2")
	now = now.Add(29 * time.Second)
	wantSamples(t, s.Scrape(enough), map[string]string{size: "1", age: "29"})
	now = now.Add(time.Second)
	wantSamples(t, s.Scrape(enough), map[string]string{size: "2", age: "0"})
}

// TestKeyRights has a user that may not look at keys, and then one that may not look at some.
func TestKeyRights(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET mine 1")
	do(t, r.Addr, "SET theirs 1")
	do(t, r.Addr, "ACL SETUSER none on >pw +@all -scan -type")
	do(t, r.Addr, "ACL SETUSER some on >pw +@all ~mine")
	cfg := always(target("redis://none:pw@" + r.Addr))
	cfg.CheckKeys = []string{"mine", "m*"}
	s := scraper(t, cfg)
	for range 3 {
		wantUp(t, s.Scrape(enough), "redis_keys", "redis_streams", "redis_key_groups")
	}
	cfg = always(target("redis://some:pw@" + r.Addr))
	cfg.CheckKeys = []string{"mine", "theirs"}
	o := scraper(t, cfg).Scrape(enough)
	wantUp(t, o, "redis_keys", "redis_streams", "redis_key_groups")
	wantSamples(t, o, map[string]string{
		`redis_key_value{db="db0",key="mine"}`: "1", `redis_key_value{db="db0",key="theirs"}`: "",
	})
}

// TestKeysOfReplicas has a primary that is not asked while a replica is.
func TestKeysOfReplicas(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET k 1")
	for from, chosen := range map[redis.KeysFrom]string{
		redis.KeysFromReplica: "0", redis.KeysFromPrimary: "1", redis.KeysFromAny: "1",
	} {
		cfg := always(target(r.URL))
		cfg.CheckKeys = []string{"k"}
		cfg.KeyChecks.From = from
		o := scraper(t, cfg).Scrape(enough)
		wantUp(t, o)
		if got := o.Sample("chronoops_redis_keys_chosen"); got != chosen {
			t.Errorf("%s: chosen is %s, want %s", from, got, chosen)
		}
		if got := o.Sample(`redis_key_size{db="db0",key="k"}`) != ""; got != (chosen == "1") {
			t.Errorf("%s: shown %v", from, got)
		}
	}
}

// TestMillionKeys holds the budget over a million keys: what a scrape may cost, and what a walk needs in all.
func TestMillionKeys(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	if err := r.AddKeys(t.Context(), 1_000_000); err != nil {
		t.Fatal(err)
	}
	do(t, r.Addr, "SET queue:mail 1")
	cfg := always(target(r.URL))
	cfg.KeyGroups = []string{`^(key):`}
	cfg.CheckKeys = []string{"queue:mail"}
	cfg.KeyChecks.KeysPerScrape = 200_000
	s := scraper(t, cfg)
	wantUp(t, s.Scrape(enough))
	scans := calls(t, r.Addr, "scan")
	for scrapes := 2; ; scrapes++ {
		o := s.Scrape(enough)
		wantUp(t, o)
		now := calls(t, r.Addr, "scan")
		if n := now - scans; n > 200 {
			t.Errorf("a scrape went over %d batches, want at most 200", n)
		}
		scans = now
		if count := o.Sample(`redis_key_group_count{db="db0",key_group="key"}`); count != "" {
			if count != "1e+06" || o.Sample(`redis_key_value{db="db0",key="queue:mail"}`) != "1" {
				t.Errorf("counted %s keys", count)
			}
			trips := o.Sample("chronoops_redis_keys_round_trips_total")
			if n, _ := strconv.Atoi(trips); n < 1000 || n > 1100+3*scrapes {
				t.Errorf("a walk took %s round trips", trips)
			}
			t.Logf("a walk took %d scrapes and %s round trips, busy for %s s", scrapes, trips,
				o.Sample(`chronoops_redis_keys_pass_busy_seconds{pass="scanned"}`))
			break
		}
		if scrapes > 20 {
			t.Fatal("the walk does not end")
		}
	}
}

// calls returns how often the server has carried out a command.
func calls(t *testing.T, addr, command string) int {
	t.Helper()
	_, rest, _ := strings.Cut(do(t, addr, "INFO commandstats"), "cmdstat_"+command+":calls=")
	digits, _, _ := strings.Cut(rest, ",")
	n, _ := strconv.Atoi(digits)
	return n
}

// TestKeyTime holds a scrape to its time, however many keys there are.
func TestKeyTime(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	session(t, r.Addr, "SET a 1", "SET b 1", "SET c 1")
	proxy := collectortest.NewProxy(t, r.Addr)
	cfg := target("redis://" + proxy.Addr)
	cfg.KeyGroups = []string{"(.)"}
	cfg.KeyChecks.Batch = 1
	cfg.KeyChecks.TimePerScrape = 1 // a nanosecond: one round at most
	s := scraper(t, cfg)
	s.Scrape(enough)
	before := proxy.Traffic()
	wantUp(t, s.Scrape(enough))
	if trips := proxy.Traffic().Trips - before.Trips; trips > 2 {
		t.Errorf("a scrape took %d round trips, want at most 2", trips)
	}
}

// TestWalkAcrossRestart begins anew when the server has restarted: its cursors mean nothing to the next one.
func TestWalkAcrossRestart(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	var commands []string
	for i := range 100 {
		commands = append(commands, fmt.Sprintf("SET k:%d 1", i))
	}
	session(t, r.Addr, commands...)
	cfg := always(target(r.URL))
	cfg.CountKeys = []string{"k:*"}
	cfg.KeyChecks.Batch, cfg.KeyChecks.KeysPerScrape = 10, 30
	s := scraper(t, cfg)
	if o := s.Scrape(enough); o.Sample(`redis_keys_count{db="db0",key="k:*"}`) != "" {
		t.Error("the walk is complete at once")
	}
	stop(t, r)
	again := start(t, stack.RedisOptions{Port: r.Port})
	session(t, again.Addr, commands[:7]...)
	eventually(t, "the walk", func() bool { return s.Scrape(enough).Sample(`redis_keys_count{db="db0",key="k:*"}`) == "7" })
}
