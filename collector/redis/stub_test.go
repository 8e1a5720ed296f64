package redis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
)

// What a stub does in place of a reply.
const (
	cut  = "cut"  // it closes the connection
	hang = "hang" // it never answers again
)

// stub is a server that gives prepared replies, to stand for versions that are not at hand.
type stub struct {
	addr string

	mu      sync.Mutex
	replies map[string]string // raw, by the command in capitals; what is missing is unknown to the server
	asked   []string
}

func newStub(t testing.TB, replies map[string]string) *stub {
	t.Helper()
	s := &stub{replies: replies}
	s.addr = collectortest.Listen(t, s.serve)
	return s
}

func (s *stub) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		words, err := readCommand(r)
		if err != nil {
			return
		}
		switch reply := s.reply(words); reply {
		case cut:
			return
		case hang:
			_, _ = io.Copy(io.Discard, conn)
			return
		default:
			if _, err := io.WriteString(conn, reply); err != nil {
				return
			}
		}
	}
}

func (s *stub) reply(words []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.ToUpper(strings.Join(words, " "))
	if text != "HELLO 2 SETNAME CHRONOOPS" && text != "CLIENT SETNAME CHRONOOPS" {
		s.asked = append(s.asked, text)
	}
	if reply, ok := s.replies[text]; ok {
		return reply
	}
	if words[0] == "client" {
		return "+OK\r\n"
	}
	return fmt.Sprintf("-ERR unknown command `%s`, with args beginning with: \r\n", words[0])
}

// set changes a reply.
func (s *stub) set(command, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[command] = reply
}

// heard returns the commands since it was called last.
func (s *stub) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func readCommand(r *bufio.Reader) (words []string, err error) {
	n, err := readLength(r, '*')
	for range n {
		size, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		words = append(words, string(word[:size]))
	}
	return words, err
}

func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("%q is no %c", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// bulk is a raw string, list a raw array of what is given: raw values, or words, which become strings.
func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func list(values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(values))
	for _, v := range values {
		if strings.HasSuffix(v, "\r\n") {
			b.WriteString(v)
		} else {
			b.WriteString(bulk(v))
		}
	}
	return b.String()
}

func recorded(t testing.TB, files ...string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return bulk(strings.ReplaceAll(strings.ReplaceAll(all.String(), "\r", ""), "\n", "\r\n"))
}

func (s *stub) scraper(t testing.TB) *collectortest.Scraper {
	t.Helper()
	return scraper(t, target("redis://"+s.addr))
}

// settled are the commands of a scrape of a server that is known.
func settled(t *testing.T, s *stub, sc *collectortest.Scraper) (collectortest.Outcome, []string) {
	t.Helper()
	sc.Scrape(enough)
	sc.Scrape(enough)
	s.heard()
	o := sc.Scrape(enough)
	return o, s.heard()
}

func wantAsked(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func configOf5() map[string]string {
	return map[string]string{
		"CONFIG GET DATABASES":                  list("databases", "4"),
		"CONFIG GET CLIENT-OUTPUT-BUFFER-LIMIT": list("client-output-buffer-limit", "normal 0 0 0 slave 256 64 60"),
		"CONFIG GET MAXCLIENTS":                 list("maxclients", "10000"),
		"CONFIG GET MAXMEMORY":                  list("maxmemory", "0"),
		"CONFIG GET IO-THREADS":                 list(),
		"CONFIG GET REPL-BACKLOG-SIZE":          list("repl-backlog-size", "1048576"),
		"LATENCY LATEST":                        list(list("command", ":1700000000\r\n", ":250\r\n", ":1000\r\n"), list("fork")),
		"SLOWLOG LEN":                           ":12\r\n",
		"SLOWLOG GET 1":                         list(list(":41\r\n", ":1699999900\r\n", ":15000\r\n", list("GET", "s3cr3t"), "10.0.0.9:1", "")),
	}
}

func TestRedis5(t *testing.T) {
	replies := configOf5()
	replies["INFO ALL"] = recorded(t, "info5.txt")
	s := newStub(t, replies)
	sc := s.scraper(t)
	wantUp(t, sc.Scrape(enough))
	if first := s.heard(); slices.Contains(first, "LATENCY HISTOGRAM") || len(first) != 10 {
		t.Errorf("asked %q", first)
	}
	o, asked := settled(t, s, sc)
	wantUp(t, o)
	wantAsked(t, asked, "INFO ALL", "LATENCY LATEST", "SLOWLOG LEN", "SLOWLOG GET 1")
	wantSamples(t, o, map[string]string{
		`redis_latency_spike_last{event_name="command"}`:                            "1.7e+09",
		`redis_latency_spike_duration_seconds{event_name="command"}`:                "0.25",
		`redis_latency_spike_last{event_name="fork"}`:                               "",
		`redis_slowlog_length`:                                                      "12",
		`redis_slowlog_last_id`:                                                     "41",
		`redis_last_slow_execution_duration_seconds`:                                "0.015",
		`chronoops_redis_slowlog_last_age_seconds`:                                  "100",
		`redis_config_io_threads`:                                                   "",
		`redis_config_repl_backlog_size`:                                            "1.048576e+06",
		`redis_config_client_output_buffer_limit_bytes{class="slave",limit="soft"}`: "64",
		`redis_db_keys{db="db2"}`:                                                   "0",
		`redis_db_keys{db="db4"}`:                                                   "",
	})
	if strings.Contains(o.Text, "s3cr3t") {
		t.Error("what the slow command was is in a label")
	}
}

// TestSettingsAreReadAgain has somebody use CONFIG between two scrapes.
func TestSettingsAreReadAgain(t *testing.T) {
	replies := configOf5()
	text := recorded(t, "info6.txt")
	replies["INFO ALL"], replies["INFO EVERYTHING"] = text, text
	s := newStub(t, replies)
	now := time.Unix(1_700_000_000, 0)
	sc := collectortest.NewScraper(t, collect(t, redis.Options{Config: target("redis://" + s.addr), Now: func() time.Time { return now }}))
	gets := func() int {
		t.Helper()
		wantUp(t, sc.Scrape(enough))
		return strings.Count(strings.Join(s.heard(), ";"), "CONFIG GET")
	}
	calls := func(n int) {
		changed := strings.Replace(text, "cmdstat_config:calls=12,", fmt.Sprintf("cmdstat_config:calls=%d,", n), 1)
		_, body, _ := strings.Cut(strings.TrimSuffix(changed, "\r\n"), "\r\n")
		s.set("INFO EVERYTHING", bulk(body))
	}
	if n := gets(); n != 6 {
		t.Errorf("%d parameters asked for at first, want 6", n)
	}
	calls(18) // ours
	if n := gets(); n != 0 {
		t.Errorf("%d parameters asked for again", n)
	}
	calls(19)
	s.set("CONFIG GET MAXMEMORY", list("maxmemory", "77"))
	if n := gets(); n != 6 {
		t.Errorf("%d parameters asked for after a change, want 6", n)
	}
	calls(25)
	if o := sc.Scrape(enough); o.Sample("redis_config_maxmemory") != "77" {
		t.Error("the change is not shown")
	}
	s.heard()
	now = now.Add(11 * time.Minute)
	if n := gets(); n != 6 {
		t.Errorf("%d parameters asked for after a while, want 6", n)
	}
}

func TestRedis6WithModules(t *testing.T) {
	replies := configOf5()
	replies["INFO ALL"] = recorded(t, "info6.txt")
	replies["INFO EVERYTHING"] = recorded(t, "info6.txt", "modules6.txt")
	s := newStub(t, replies)
	sc := s.scraper(t)
	o, asked := settled(t, s, sc)
	wantUp(t, o)
	if asked[0] != "INFO EVERYTHING" {
		t.Errorf("asked %q", asked)
	}
	wantSamples(t, o, map[string]string{
		`redis_module_info{api="1",filters="0",name="ReJSON",usedby="[search]",using="[]",ver="20407"}`: "1",
		`redis_search_number_of_indexes`:                                            "2",
		`redis_search_used_memory_indexes_bytes`:                                    "1.048576e+06",
		`redis_search_collected_bytes`:                                              "77",
		`redis_search_cycles_total`:                                                 "5",
		`redis_search_queries_processed_total`:                                      "31",
		`redis_search_dialect_1`:                                                    "1",
		`redis_commands_total{cmd="ft.search"}`:                                     "3",
		`redis_errors_total{err="NOAUTH"}`:                                          "5",
		`redis_aof_last_write_status`:                                               "0",
		`redis_aof_delayed_fsync`:                                                   "2",
		`redis_memory_max_bytes`:                                                    "1.048576e+08",
		`redis_replica_partial_resync_denied`:                                       "1",
		`redis_db_avg_ttl_seconds{db="db0"}`:                                        "2.5",
		`redis_cpu_user_main_thread_seconds_total`:                                  "23.4",
		`redis_master_link_up{master_host="10.0.0.1",master_port="6379"}`:           "0",
		`redis_master_sync_in_progress{master_host="10.0.0.1",master_port="6379"}`:  "1",
		`redis_slave_info{master_host="10.0.0.1",master_port="6379",read_only="1"}`: "1",
		`redis_slave_repl_offset{master_host="10.0.0.1",master_port="6379"}`:        "1000",
	})
}

func TestRedis8(t *testing.T) {
	replies := map[string]string{
		"INFO ALL":        recorded(t, "info8.txt"),
		"INFO EVERYTHING": recorded(t, "info8.txt", "modules8.txt"),
		"LATENCY LATEST":  list(),
		"SLOWLOG LEN":     ":0\r\n",
		"SLOWLOG GET 1":   list(),
		"CLUSTER INFO":    recorded(t, "cluster8.txt"),
		"LATENCY HISTOGRAM": list(
			"client|list", list("calls", ":2\r\n", "histogram_usec", list(":8\r\n", ":1\r\n", ":33\r\n", ":2\r\n")),
			"get", list("calls", ":9\r\n", "histogram_usec", list(":2113\r\n", ":9\r\n")),
		),
		"CONFIG GET DATABASES CLIENT-OUTPUT-BUFFER-LIMIT MAXCLIENTS MAXMEMORY IO-THREADS REPL-BACKLOG-SIZE": list(
			"databases", "16", "maxclients", "10000", "io-threads", "4"),
	}
	s := newStub(t, replies)
	sc := s.scraper(t)
	o, asked := settled(t, s, sc)
	wantUp(t, o)
	wantAsked(t, asked, "INFO EVERYTHING", "LATENCY LATEST", "LATENCY HISTOGRAM", "SLOWLOG LEN", "SLOWLOG GET 1", "CLUSTER INFO")
	wantSamples(t, o, map[string]string{
		`redis_commands_latencies_usec_bucket{cmd="client|list",le="8"}`:                   "1",
		`redis_commands_latencies_usec_bucket{cmd="client|list",le="33"}`:                  "2",
		`redis_commands_latencies_usec_bucket{cmd="client|list",le="16"}`:                  "",
		`redis_commands_latencies_usec_sum{cmd="client|list"}`:                             "40",
		`redis_commands_latencies_usec_count{cmd="client|list"}`:                           "2",
		`chronoops_redis_command_duration_seconds_bucket{cmd="client|list",le="4e-06"}`:    "0",
		`chronoops_redis_command_duration_seconds_bucket{cmd="client|list",le="1.6e-05"}`:  "1",
		`chronoops_redis_command_duration_seconds_bucket{cmd="client|list",le="6.6e-05"}`:  "2",
		`chronoops_redis_command_duration_seconds_bucket{cmd="client|list",le="1.073741"}`: "2",
		`chronoops_redis_command_duration_seconds_bucket{cmd="client|list",le="+Inf"}`:     "2",
		`chronoops_redis_command_duration_seconds_sum{cmd="client|list"}`:                  "4e-05",
		`chronoops_redis_command_duration_seconds_bucket{cmd="get",le="0.001056"}`:         "0",
		`chronoops_redis_command_duration_seconds_bucket{cmd="get",le="0.004227"}`:         "9",
		`redis_latency_percentiles_usec{cmd="client|list",quantile="99.9"}`:                "3.007",
		`redis_latency_percentiles_usec_count{cmd="client|list"}`:                          "2",
		`redis_slowlog_last_id`:                      "0",
		`chronoops_redis_slowlog_last_age_seconds`:   "",
		`redis_cluster_state`:                        "1",
		`redis_cluster_slots_fail`:                   "3",
		`redis_cluster_messages_sent_total`:          "500",
		`redis_cluster_stats_messages_auth_req_sent`: "2",
		`redis_search_gc_collected_bytes`:            "99",
		`redis_search_global_idle_user`:              "1",
		`redis_search_number_of_active_indexes`:      "3",
		`redis_config_io_threads`:                    "4",
		`redis_db_keys{db="db0"}`:                    "5",
		`redis_db_keys{db="db1"}`:                    "",
	})
}

func TestValkey(t *testing.T) {
	replies := map[string]string{
		"INFO ALL":                     recorded(t, "valkey.txt"),
		"INFO EVERYTHING":              recorded(t, "valkey.txt", "modulesvalkey.txt"),
		"LATENCY LATEST":               list(),
		"LATENCY HISTOGRAM":            list(),
		"SLOWLOG LEN":                  ":0\r\n",
		"SLOWLOG GET 1":                list(),
		"COMMANDLOG LEN SLOW":          ":1\r\n",
		"COMMANDLOG LEN LARGE-REQUEST": ":2\r\n",
		"COMMANDLOG LEN LARGE-REPLY":   ":3\r\n",
		"CONFIG GET DATABASES CLIENT-OUTPUT-BUFFER-LIMIT MAXCLIENTS MAXMEMORY IO-THREADS REPL-BACKLOG-SIZE " +
			"COMMANDLOG-EXECUTION-SLOWER-THAN COMMANDLOG-SLOW-EXECUTION-MAX-LEN COMMANDLOG-REQUEST-LARGER-THAN " +
			"COMMANDLOG-LARGE-REQUEST-MAX-LEN COMMANDLOG-REPLY-LARGER-THAN COMMANDLOG-LARGE-REPLY-MAX-LEN": list(
			"databases", "16", "commandlog-execution-slower-than", "10000", "commandlog-large-reply-max-len", "128"),
	}
	s := newStub(t, replies)
	o, _ := settled(t, s, s.scraper(t))
	wantUp(t, o)
	wantSamples(t, o, map[string]string{
		`redis_commandlog_slow_length`:                                                                  "1",
		`redis_commandlog_large_request_length`:                                                         "2",
		`redis_commandlog_large_reply_length`:                                                           "3",
		`redis_commandlog_execution_slower_than`:                                                        "10000",
		`redis_commandlog_large_reply_max_len`:                                                          "128",
		`redis_active_time_main_thread_seconds_total`:                                                   "0.3",
		`redis_active_time_io_thread_seconds_total{thread="2"}`:                                         "0.05",
		`redis_acl_access_denied_cmd_total`:                                                             "2",
		`redis_json_num_documents`:                                                                      "12",
		`redis_bf_bloom_num_objects`:                                                                    "4",
		`redis_search_rdb_load_success_count`:                                                           "6",
		`redis_eventloop_duration_sum_usec_total`:                                                       "50000",
		`redis_latency_percentiles_usec{cmd="info",quantile="50"}`:                                      "80.127",
		`redis_connected_slave_lag_seconds{slave_ip="10.0.0.2",slave_port="6379",slave_state="online"}`: "1",
	})
	if !strings.Contains(o.Text, `valkey_release_stage="ga",valkey_version="8.1.3"} 1`) || !strings.Contains(o.Text, `redis_mode="standalone"`) {
		t.Error("no redis_instance_info of Valkey")
	}
}

// TestRefusalsAreRemembered has a server without CONFIG, as hosted ones are, and one that restarts with it.
func TestRefusalsAreRemembered(t *testing.T) {
	replies := configOf5()
	replies["INFO ALL"] = recorded(t, "info5.txt")
	for command := range replies {
		if strings.HasPrefix(command, "CONFIG") {
			delete(replies, command)
		}
	}
	s := newStub(t, replies)
	sc := s.scraper(t)
	wantUp(t, sc.Scrape(enough), "redis_config")
	s.heard()
	for range 3 {
		wantUp(t, sc.Scrape(enough), "redis_config")
		wantAsked(t, s.heard(), "INFO ALL", "LATENCY LATEST", "SLOWLOG LEN", "SLOWLOG GET 1")
	}
	for command, reply := range configOf5() {
		s.set(command, reply)
	}
	s.set("INFO ALL", strings.Replace(recorded(t, "info5.txt"), "run_id:1c", "run_id:2c", 1))
	wantUp(t, sc.Scrape(enough))
}

// TestForbiddenIsTriedAgain has rights that come later.
func TestForbiddenIsTriedAgain(t *testing.T) {
	replies := configOf5()
	replies["INFO ALL"] = recorded(t, "info5.txt")
	replies["SLOWLOG LEN"] = "-NOPERM this user has no permissions to run the 'slowlog' command\r\n"
	s := newStub(t, replies)
	now := time.Unix(1_700_000_000, 0)
	sc := collectortest.NewScraper(t, collect(t, redis.Options{Config: target("redis://" + s.addr), Now: func() time.Time { return now }}))
	for range 3 {
		wantUp(t, sc.Scrape(enough), "redis_slowlog")
	}
	if n := strings.Count(strings.Join(s.heard(), ";"), "SLOWLOG LEN"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.set("SLOWLOG LEN", ":1\r\n")
	now = now.Add(6 * time.Minute)
	wantUp(t, sc.Scrape(enough))
}

// TestBrokenOff has a server that goes away, or silent, between its first reply and the rest.
func TestBrokenOff(t *testing.T) {
	for _, how := range []string{cut, hang} {
		replies := configOf5()
		replies["INFO ALL"] = recorded(t, "info5.txt")
		s := newStub(t, replies)
		sc := s.scraper(t)
		wantUp(t, sc.Scrape(enough))
		s.set("LATENCY LATEST", how)
		o := sc.Scrape(short)
		wantUp(t, o, "redis_latency", "redis_slowlog")
		if o.Took > 2*short || o.Sample("redis_connected_clients") != "1" {
			t.Errorf("%s: took %v, %s clients", how, o.Took, o.Sample("redis_connected_clients"))
		}
		s.set("LATENCY LATEST", list())
		wantUp(t, sc.Scrape(enough))
	}
}

// TestKeysHang has a server that is stuck on a walk over the keys: the rest of the scrape is there all the same.
func TestKeysHang(t *testing.T) {
	for _, how := range []string{cut, hang, "-LOADING Redis is loading the dataset in memory\r\n", ":1\r\n", "$-1\r\n"} {
		replies := configOf5()
		replies["INFO ALL"] = recorded(t, "info5.txt")
		replies["SCAN 0 MATCH K* COUNT 1000"] = how
		s := newStub(t, replies)
		cfg := always(target("redis://" + s.addr))
		cfg.CheckKeys = []string{"k*"}
		sc := scraper(t, cfg)
		var failed []string
		if how == cut || how == hang || how[0] == '-' {
			failed = []string{"redis_keys", "redis_streams", "redis_key_groups"}
		}
		o := sc.Scrape(short)
		wantUp(t, o, failed...)
		if o.Took > 2*short || o.Sample("redis_slowlog_length") != "12" {
			t.Errorf("%q: took %v", how, o.Took)
		}
		s.set("SCAN 0 MATCH K* COUNT 1000", list("0", list("k1")))
		s.set("TYPE K1", "+list\r\n")
		s.set("MEMORY USAGE K1", ":50\r\n")
		s.set("LLEN K1", ":7\r\n")
		o = sc.Scrape(enough)
		wantUp(t, o)
		wantSamples(t, o, map[string]string{`redis_key_size{db="db0",key="k1"}`: "7"})
	}
}
