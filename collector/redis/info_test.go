package redis

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector"
)

func TestScanner(t *testing.T) {
	const info = "stray:1\r\n# Server\r\nredis_version:5.0.14\r\nos:Linux 5: x86_64\r\nempty:\r\n\r\n" +
		"#Keyspace\ndb0:keys=1,expires=0\n:novalue\nnocolon\n"
	var got []string
	for s := (scanner{rest: info}); s.next(); {
		got = append(got, s.section+"|"+s.key+"|"+s.value)
	}
	want := []string{
		"|stray|1", "Server|redis_version|5.0.14", "Server|os|Linux 5: x86_64", "Server|empty|", "Keyspace|db0|keys=1,expires=0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// canned is a collector whose server has said info.
type canned struct {
	*Collector
	info string
}

func (c canned) Collect(_ context.Context, w *collector.Writer) error {
	raw := "$" + strconv.Itoa(len(c.info)) + "\r\n" + c.info + "\r\n"
	s := &scrape{now: c.now(), heard: heard{infoAll.text: {raw: raw}}}
	if err := s.read(infoAll); err != nil {
		return err
	}
	c.known.learn(s)
	for _, r := range c.readers {
		w.Part(r.name, func() error { return r.write(c.Collector, w, s) })
	}
	return nil
}

func exposition(t testing.TB, info string) string {
	t.Helper()
	base, err := New(Options{Config: Config{Name: "cache", URL: "redis://127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	c := canned{base, info}
	on := make(map[string]bool)
	for _, p := range c.Parts() {
		on[p.Name] = true
	}
	sel, err := collector.NewSelection(c.Parts(), true, on)
	if err != nil {
		t.Fatal(err)
	}
	set, err := collector.NewSet([]*collector.Unit{collector.NewUnit("test", c, log)},
		collector.SetOptions{Selection: sel, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Scrape(t.Context(), collector.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return string(snap.AppendText(nil))
}

// TestVersions reads shortened replies of other versions than the one that the tests run.
func TestVersions(t *testing.T) {
	for _, test := range []struct {
		file      string
		want, not []string
	}{
		{
			file: "testdata/info5.txt",
			want: []string{
				`redis_commands_total{cmd="get"} 21`, `redis_commands_duration_seconds_total{cmd="get"} 0.000175`,
				`redis_db_keys{db="db3"} 12`, `redis_db_avg_ttl_seconds{db="db3"} 1.5`, `redis_db_keys{db="db0"} 0`,
				`redis_latest_fork_seconds 0.000312`, `redis_aof_last_write_status 1`, `redis_rdb_last_bgsave_status 0`,
				`redis_start_time_seconds 1.69999999e+09`,
			},
			not: []string{"redis_commands_failed_calls_total", "redis_errors_total", "redis_mem_cluster_links_bytes"},
		},
		{
			file: "testdata/info8.txt",
			want: []string{
				`redis_commands_failed_calls_total{cmd="client|list"} 1`, `redis_errors_total{err="WRONGTYPE"} 3`,
				`redis_db_keys{db="db0"} 5`, `redis_evicted_scripts_total 4`, `redis_pubsub_clients 2`,
				`redis_connected_slave_offset_bytes{slave_ip="10.0.0.7",slave_port="6380",slave_state="online"} 1751`,
				`redis_connected_slave_lag_seconds{slave_ip="10.0.0.7",slave_port="6380",slave_state="online"} 1`,
				`redis_cluster_enabled 1`, `redis_mem_overhead_db_hashtable_rehashing_bytes 64`,
			},
			not: []string{`db="db1"`, "hostile", "subexpiry"},
		},
	} {
		info, err := os.ReadFile(test.file)
		if err != nil {
			t.Fatal(err)
		}
		text := exposition(t, string(info))
		for _, line := range test.want {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("%s: %s is missing", test.file, line)
			}
		}
		for _, part := range test.not {
			if strings.Contains(text, part) {
				t.Errorf("%s: %s is there", test.file, part)
			}
		}
	}
}

func TestErrorWordsAreCapped(t *testing.T) {
	var info strings.Builder
	info.WriteString("# Errorstats\r\n")
	for i := range 1000 {
		info.WriteString("errorstat_E" + string(rune('A'+i%26)) + strings.Repeat("X", i/26) + ":count=2\r\n")
	}
	text := exposition(t, info.String())
	if n := strings.Count(text, "\nredis_errors_total{"); n != mostErrors+1 {
		t.Errorf("%d series, want %d", n, mostErrors+1)
	}
	if !strings.Contains(text, `redis_errors_total{err="other"} 1800`) {
		t.Error("the rest is not in other")
	}
}

func TestTables(t *testing.T) {
	seen := make(map[string]bool)
	for _, table := range slices.Concat(tables(), moduleTables(), [][]field{clusterInfoFields, messageFields, sentinelFields, masterFields}) {
		for _, f := range table {
			if seen[f.key+":"] || seen[f.family.Name] {
				t.Errorf("%s, %s is there twice", f.key, f.family.Name)
			}
			seen[f.key+":"], seen[f.family.Name] = true, true
			if f.family.Help == "" {
				t.Errorf("%s has no help text", f.family.Name)
			}
		}
	}
}

func seeds(f *testing.F) {
	f.Helper()
	for _, file := range []string{"testdata/info5.txt", "testdata/info8.txt"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
}

func FuzzScanner(f *testing.F) {
	seeds(f)
	f.Add("#\n:\n=,\r\n")
	f.Fuzz(func(t *testing.T, info string) {
		// The same by another way: split into lines first.
		type line struct{ Section, Key, Value string }
		var want, got []line
		section := ""
		for l := range strings.SplitSeq(info, "\n") {
			l = strings.TrimSuffix(l, "\r")
			if strings.HasPrefix(l, "#") {
				section = strings.TrimSpace(l[1:])
			} else if i := strings.IndexByte(l, ':'); i > 0 {
				want = append(want, line{section, l[:i], l[i+1:]})
			}
		}
		for s := (scanner{rest: info}); s.next(); {
			got = append(got, line{s.section, s.key, s.value})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add("calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0")
	f.Add("name=ReJSON,usedby=[search|x],=,a==b,,")
	f.Fuzz(func(t *testing.T, value string) {
		var want, got []string
		for one := range strings.SplitSeq(value, ",") {
			if i := strings.IndexByte(one, '='); i > 0 {
				want = append(want, one[:i], one[i+1:])
			}
		}
		for p := (pairs{rest: value}); p.next(); {
			got = append(got, p.key, p.value)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestHostileInfo holds that no reply breaks a collection.
func TestHostileInfo(t *testing.T) {
	for _, info := range []string{
		"\x00\xff", ":", "#", "# Server\nuptime_in_seconds:-1e308\nserver_time_usec:1e308\nredis_version:\xff\n",
		"# Replication\nrole:slave\nslave99999999999:ip=\nslave0:lag=x,offset=\nslave:ip\nmaster_link_status:\n",
		"# Keyspace\ndb:keys=1\ndb-1:keys=1\ndb4294967296:keys=1\ndb0:keys=NaN,expires=,avg_ttl=-1\ndb0:keys=2\n",
		"# Commandstats\ncmdstat_:calls=1\ncmdstat_a\"\\b:calls=1,usec=x\ncmdstat_a:calls\n# Errorstats\nerrorstat_:count=\n",
		"# Memory\nused_memory:1\nused_memory:2\n# Memory\nused_memory:0x10\nmaxmemory:_1\n",
	} {
		text := exposition(t, info)
		for _, part := range []string{partInfo, partKeyspace, partCommands, partErrors} {
			if !strings.Contains(text, `chronoops_scrape_collector_success{collector="`+part+`"} 1`) {
				t.Errorf("%q: part %s failed", info, part)
			}
		}
	}
}

// FuzzCut holds that no line is lost or moved to another section.
func FuzzCut(f *testing.F) {
	seeds(f)
	f.Add("a:1\n#x\n#\nb:2\n#x")
	f.Fuzz(func(t *testing.T, info string) {
		type line struct{ Section, Key, Value string }
		var want, got []line
		for s := (scanner{rest: info}); s.next(); {
			want = append(want, line{s.section, s.key, s.value})
		}
		for _, sec := range cut(info) {
			for s := sec.scan(); s.next(); {
				got = append(got, line{s.section, s.key, s.value})
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzConnections holds that connections come by age and that each is a line of the reply.
func FuzzConnections(f *testing.F) {
	f.Add("id=3 addr=1.2.3.4:5 name=x age=1\nid=2 addr=\n\nid=-1\nid=99999999999999999999\nid=2")
	f.Fuzz(func(t *testing.T, text string) {
		list := connections(text)
		if len(list) > strings.Count(text, "id=") {
			t.Errorf("%d connections", len(list))
		}
		for i, c := range list {
			if i > 0 && list[i-1].id > c.id || !strings.Contains(text, c.line) {
				t.Errorf("connection %d is %q", i, c.line)
			}
		}
	})
}
