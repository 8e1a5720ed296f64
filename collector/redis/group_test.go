package redis_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

// found are the members that a search brings, by address.
func found(t testing.TB, f collector.Finder) map[string]collector.Member {
	t.Helper()
	list, err := f.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	members := make(map[string]collector.Member)
	for _, m := range list {
		members[m.Address] = m
	}
	return members
}

// roles counts members by role.
func roles(members map[string]collector.Member) map[string]int {
	counts := make(map[string]int)
	for _, m := range members {
		counts[m.Labels["__meta_chronoops_role"]]++
	}
	return counts
}

func open(t testing.TB, f collector.Finder, address string) *collectortest.Scraper {
	t.Helper()
	c, closer, err := f.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closer)
	return collectortest.NewScraper(t, c)
}

func TestCluster(t *testing.T) {
	cluster, err := stack.StartRedisCluster(context.Background(), stack.RedisOptions{Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{cluster.Nodes[0].Addr}, Password: "pw"})
	t.Cleanup(func() { client.Close() })
	const keys = 60
	for i := range keys {
		if err := client.Set(t.Context(), "key:"+strconv.Itoa(i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}

	cfg := always(target(cluster.Nodes[0].URL))
	cfg.Password, cfg.Cluster = "pw", true
	cfg.CheckKeys, cfg.CheckSingleKeys, cfg.CountKeys = []string{"key:?"}, []string{"key:17"}, []string{"key:*"}
	seed := collect(t, redis.Options{Config: cfg})
	s := collectortest.NewScraper(t, seed)
	settle := s.Scrape(enough)
	wantUp(t, settle)
	if strings.Contains(settle.Text, "redis_keys_count") || strings.Contains(settle.Text, "chronoops_redis_nodes") {
		t.Error("the target itself looks at keys, or knows nodes before it was asked for some")
	}

	members := found(t, seed.Finder())
	if got := roles(members); got["primary"] != 3 || got["replica"] != 3 || !members[cluster.Nodes[0].Addr].Itself {
		t.Fatalf("found %v", members)
	}
	o := s.Scrape(enough)
	wantSamples(t, o, map[string]string{
		`chronoops_redis_nodes{role="primary",state="ok"}`: "3", `chronoops_redis_nodes{role="replica",state="ok"}`: "3",
		`chronoops_redis_nodes{role="replica",state="refused"}`: "0",
		`redis_cluster_state`: "1", `redis_cluster_known_nodes`: "6", `redis_cluster_slots_ok`: "16384",
	})

	// Every key is counted once, and on a replica.
	scrapers := make(map[string]*collectortest.Scraper)
	for address := range members {
		scrapers[address] = open(t, seed.Finder(), address)
	}
	check := func() (total, single, shown int, chosen []string) {
		for _, address := range slices.Sorted(maps.Keys(scrapers)) {
			o := scrapers[address].Scrape(enough)
			if o.Sample("redis_up") != "1" {
				continue
			}
			wantUp(t, o)
			if o.Sample("chronoops_redis_keys_chosen") == "1" {
				chosen = append(chosen, members[address].Labels["__meta_chronoops_role"])
			}
			n, _ := strconv.Atoi(o.Sample(`redis_keys_count{db="db0",key="key:*"}`))
			total += n
			shown += strings.Count(o.Text, "\nredis_key_size{")
			if o.Sample(`redis_key_value{db="db0",key="key:17"}`) == "17" {
				single++
			}
		}
		return total, single, shown, chosen
	}
	total, single, shown, chosen := check()
	if total != keys || single != 1 || shown != 11 || !slices.Equal(chosen, []string{"replica", "replica", "replica"}) {
		t.Errorf("%d keys, %d and %d shown, asked of %q", total, single, shown, chosen)
	}
	for _, n := range cluster.Nodes { // nobody was asked about a key of another
		if stats := roundTrip(t, n, "INFO", "errorstats"); strings.Contains(stats, "MOVED") {
			t.Errorf("%s: %s", n.Addr, stats)
		}
	}

	// When a replica is gone its primary is asked.
	stop(t, cluster.Nodes[3])
	eventually(t, "another choice", func() bool {
		members = found(t, seed.Finder())
		total, _, _, chosen := check()
		slices.Sort(chosen)
		return total == keys && slices.Equal(chosen, []string{"primary", "replica", "replica"})
	})
	if got := s.Scrape(enough).Sample(`chronoops_redis_nodes{role="replica",state="failing"}`); got != "1" {
		t.Errorf("%s replicas are failing, want 1", got)
	}
	// When the target's own server is gone the others tell.
	stop(t, cluster.Nodes[0])
	if members = found(t, seed.Finder()); len(members) != 6 || members[cluster.Nodes[0].Addr].Itself {
		t.Errorf("found %v", members)
	}
}

// roundTrip sends one command to a server with a password.
func roundTrip(t testing.TB, r *stack.Redis, args ...any) string {
	t.Helper()
	reply, err := r.Do(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(reply)
}

// TestNodesOutsideTheList has a server that names others, which must not be contacted, let alone get a password.
func TestNodesOutsideTheList(t *testing.T) {
	knocked := make(chan string, 10)
	other := collectortest.Listen(t, func(c net.Conn) {
		buf := make([]byte, 1000)
		n, _ := c.Read(buf)
		knocked <- string(buf[:n])
	})
	_, port, _ := net.SplitHostPort(other)
	id := strings.Repeat("a", 40)
	s := newStub(t, map[string]string{"INFO ALL": recorded(t, "info8.txt")})
	nodes := func(host string) {
		s.set("CLUSTER NODES", bulk(id+" :"+s.addr[strings.LastIndexByte(s.addr, ':')+1:]+"@1 myself,master - 0 0 1 connected 0-16383\n"+
			strings.Repeat("b", 40)+" "+host+":"+port+"@1 slave "+id+" 0 0 1 connected\n"))
	}
	cfg := target("redis://" + s.addr)
	cfg.Cluster, cfg.Password = true, "c4n4ry"
	s.set("HELLO 2 AUTH DEFAULT C4N4RY SETNAME CHRONOOPS", list())
	for _, test := range []struct {
		host  string
		allow []string
		want  int
	}{
		{"127.0.0.1", nil, 2}, // the host of the target's own address
		{"127.0.0.2", nil, 1},
		{"127.0.0.2", []string{"127.0.0.1"}, 1},
		{"127.0.0.2", []string{"127.0.0.0/30:" + port, s.addr}, 2},
		{"127.0.0.1", []string{s.addr}, 1},
	} {
		nodes(test.host)
		cfg.Nodes.Allow = test.allow
		c := collect(t, redis.Options{Config: cfg})
		if members := found(t, c.Finder()); len(members) != test.want {
			t.Errorf("%s, %q: found %v, want %d", test.host, test.allow, members, test.want)
		}
		if _, _, err := c.Finder().Open(net.JoinHostPort(test.host, port)); (err == nil) != (test.want == 2) {
			t.Errorf("%s, %q: open: %v", test.host, test.allow, err)
		}
	}
	cfg.Nodes.Allow = []string{"10.0.0.0/8"}
	if _, err := collect(t, redis.Options{Config: cfg}).Finder().Find(t.Context()); err == nil || !strings.Contains(err.Error(), "nodes.allow") {
		t.Errorf("nothing is allowed: %v", err)
	}
	select {
	case said := <-knocked:
		t.Errorf("the other server was contacted: %q", said)
	default:
	}
}

func TestSentinel(t *testing.T) {
	primary := start(t, stack.RedisOptions{Password: "pw"})
	var replicas []*stack.Redis
	for range 2 {
		r, err := stack.StartReplica(context.Background(), primary)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, r) })
		replicas = append(replicas, r)
	}
	var sentinels []*stack.Redis
	for range 2 {
		r, err := stack.StartSentinel(context.Background(), primary, stack.SentinelOptions{Name: "mymaster", Quorum: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, r) })
		sentinels = append(sentinels, r)
	}
	roundTrip(t, primary, "SET", "k", "1")

	cfg := always(target("redis://" + sentinels[0].Addr))
	cfg.Sentinel = &redis.SentinelConfig{Master: "mymaster"}
	cfg.Nodes.Password = "pw"
	cfg.CheckKeys = []string{"k"}
	c := collect(t, redis.Options{Config: cfg})
	var members map[string]collector.Member
	eventually(t, "sentinels to find each other and the replicas", func() bool {
		members = found(t, c.Finder())
		got := roles(members)
		return got["primary"] == 1 && got["replica"] == 2 && got["sentinel"] == 1
	})

	s := collectortest.NewScraper(t, c)
	s.Scrape(enough)
	var o collectortest.Outcome
	eventually(t, "the sentinel to see all", func() bool {
		o = s.Scrape(enough)
		return o.Sample(`redis_sentinel_master_ok_slaves{master_address="`+primary.Addr+`",master_name="mymaster"}`) == "2" &&
			strings.Contains(o.Text, `redis_sentinel_master_ckquorum_status{master_name="mymaster",message="OK 2 usable Sentinels.`)
	})
	wantUp(t, o)
	labels := `{master_address="` + primary.Addr + `",master_name="mymaster"}`
	wantSamples(t, o, map[string]string{
		"redis_sentinel_masters": "1", "redis_sentinel_tilt": "0", "redis_sentinel_running_scripts": "0",
		"redis_sentinel_master_slaves" + labels: "2", "redis_sentinel_master_sentinels" + labels: "2",
		"redis_sentinel_master_ok_sentinels" + labels: "2", "redis_sentinel_master_setting_ckquorum" + labels: "2",
		"redis_sentinel_master_setting_down_after_milliseconds" + labels:                                                "1000",
		"redis_sentinel_master_setting_failover_timeout" + labels:                                                       "5000",
		"redis_sentinel_master_setting_parallel_syncs" + labels:                                                         "1",
		`redis_sentinel_master_status{master_address="` + primary.Addr + `",master_name="mymaster",master_status="ok"}`: "1",
		"redis_slowlog_length": "", `redis_db_keys{db="db0"}`: "",
	})
	if !strings.Contains(o.Text, `redis_sentinel_peer_info{flags="`) {
		t.Errorf("no peer in\n%s", o.Text)
	}

	// Of the replicas one is asked about keys, with the password that is not the sentinel's.
	chosen := func() (list []string) {
		for address, m := range members {
			if m.Labels["__meta_chronoops_role"] == "sentinel" {
				wantUp(t, open(t, c.Finder(), address).Scrape(enough))
				continue
			}
			o := open(t, c.Finder(), address).Scrape(enough)
			if o.Sample("redis_up") == "1" && o.Sample(`redis_key_value{db="db0",key="k"}`) == "1" {
				list = append(list, m.Labels["__meta_chronoops_role"])
			}
		}
		return list
	}
	if got := chosen(); !slices.Equal(got, []string{"replica"}) {
		t.Errorf("asked of %q, want one replica", got)
	}

	// After a failover the roles are the new ones.
	stop(t, primary)
	eventually(t, "the failover", func() bool {
		members = found(t, c.Finder())
		return members[replicas[0].Addr].Labels["__meta_chronoops_role"] == "primary" ||
			members[replicas[1].Addr].Labels["__meta_chronoops_role"] == "primary"
	})
	eventually(t, "the other replica", func() bool {
		members = found(t, c.Finder())
		return slices.Equal(chosen(), []string{"replica"})
	})
}

// TestSentinelTrips holds one round trip per scrape of a sentinel that is known.
func TestSentinelTrips(t *testing.T) {
	primary := start(t, stack.RedisOptions{})
	sentinel, err := stack.StartSentinel(context.Background(), primary, stack.SentinelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, sentinel) })
	proxy := collectortest.NewProxy(t, sentinel.Addr)
	s := scraper(t, target("redis://"+proxy.Addr))
	wantUp(t, s.Scrape(enough))
	before := proxy.Traffic().Trips
	for range 20 {
		wantUp(t, s.Scrape(enough))
	}
	if n := proxy.Traffic().Trips - before; n != 20 {
		t.Errorf("20 scrapes took %d round trips", n)
	}
}

// documented is the user that docs/redis.md tells to make, for a server, for a node of a cluster, and for looking at keys.
const (
	documented        = "+info +client|setname +config|get +latency|latest +latency|histogram +slowlog|len +slowlog|get"
	documentedCluster = " +cluster|info +cluster|nodes +readonly"
	documentedKeys    = " +select +scan +type +memory|usage +strlen +getrange +pfcount +llen +scard +zcard +hlen +xlen" +
		" +xinfo|stream +xinfo|groups +xinfo|consumers"
)

// TestDocumentedRights scrapes with exactly the rights that the documentation names.
func TestDocumentedRights(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	rights := documented
	if variant() == "-redis6" {
		rights = strings.ReplaceAll(rights, " +latency|histogram", "")
	}
	if variant() == "-valkey8" {
		rights += " +commandlog|len"
	}
	for _, command := range []string{"RPUSH l 1", "SET s x", "SADD set 1", "ZADD z 1 a", "HSET h f v", "XADD x * f v", "XGROUP CREATE x g 0", "PFADD p a"} {
		do(t, r.Addr, command)
	}
	do(t, r.Addr, "ACL SETUSER metrics on >pw "+rights)
	s := scraper(t, target("redis://metrics:pw@"+r.Addr))
	for range 3 {
		wantUp(t, s.Scrape(enough))
	}
	keys := "%R~*"
	if !since(t, r, 7) {
		keys = "~*"
	}
	do(t, r.Addr, "ACL SETUSER keys on >pw "+keys+" "+rights+documentedKeys+" +client|list")
	cfg := always(target("redis://keys:pw@" + r.Addr))
	cfg.CheckKeys, cfg.CountKeys, cfg.CheckStreams, cfg.KeyGroups = []string{"?", "db1=x*"}, []string{"*"}, []string{"x"}, []string{"."}
	cfg.ClientList = true
	o := scraper(t, cfg).Scrape(enough)
	wantUp(t, o)
	for _, key := range []string{"l", "s", "z", "h", "x"} {
		if o.Sample(`redis_key_size{db="db0",key="`+key+`"}`) != "1" {
			t.Errorf("%s has no size", key)
		}
	}
	if since(t, r, 7) {
		if log := do(t, r.Addr, "ACL LOG"); log != "*0" && !strings.HasPrefix(log, "*1") { // PFCOUNT wants to write
			t.Errorf("commands were refused: %s", log)
		}
	}
}

// TestDocumentedSentinelRights asks a sentinel with the rights that the documentation names.
func TestDocumentedSentinelRights(t *testing.T) {
	if variant() == "-redis6" {
		return // Its sentinels know no users.
	}
	primary := start(t, stack.RedisOptions{})
	sentinel, err := stack.StartSentinel(context.Background(), primary, stack.SentinelOptions{Name: "mymaster"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, sentinel) })
	do(t, sentinel.Addr, "ACL SETUSER metrics on >pw +info +client|setname "+
		"+sentinel|masters +sentinel|master +sentinel|slaves +sentinel|sentinels +sentinel|ckquorum")
	cfg := target("redis://metrics:pw@" + sentinel.Addr)
	cfg.Sentinel = &redis.SentinelConfig{Master: "mymaster"}
	c := collect(t, redis.Options{Config: cfg})
	wantUp(t, collectortest.NewScraper(t, c).Scrape(enough))
	if members := found(t, c.Finder()); roles(members)["primary"] != 1 {
		t.Errorf("found %v", members)
	}
}

// TestTransports scrapes over TLS, with a client certificate to be trusted, and over a Unix socket.
func TestTransports(t *testing.T) {
	over := start(t, stack.RedisOptions{TLS: true, Password: "pw"})
	cfg := target(over.URL)
	cfg.Password = "pw"
	cfg.TLS = &config.TLSConfig{CAFile: over.CA}
	wantUp(t, scraper(t, cfg).Scrape(enough))
	cfg.TLS = &config.TLSConfig{}
	wantDown(t, scraper(t, cfg).Scrape(enough), "tls")
	cfg = target("redis://" + over.Addr)
	cfg.Password = "pw"
	o := scraper(t, cfg).Scrape(enough)
	if o.Sample("redis_up") != "0" {
		t.Error("a TLS server was read without TLS")
	}
	plain := start(t, stack.RedisOptions{})
	wantUp(t, scraper(t, target("unix://"+plain.Socket+"?db=0")).Scrape(enough))
}

// TestClusterOverTLS finds the nodes of a cluster that speaks TLS only, with the rights that the documentation names.
func TestClusterOverTLS(t *testing.T) {
	rights := documented + documentedCluster + documentedKeys
	keys := "%R~*"
	switch variant() {
	case "-redis6":
		rights, keys = strings.ReplaceAll(rights, " +latency|histogram", ""), "~*"
	case "-valkey8":
		rights += " +commandlog|len"
	}
	cluster, err := stack.StartRedisCluster(context.Background(), stack.RedisOptions{
		TLS: true, ACL: []string{"user default on nopass ~* +@all", "user metrics on >pw " + keys + " " + rights},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	cfg := always(target(cluster.Nodes[0].URL))
	cfg.Username, cfg.Password, cfg.Cluster = "metrics", "pw", true
	cfg.TLS = &config.TLSConfig{CAFile: cluster.Nodes[0].CA}
	cfg.CheckKeys = []string{"a", "x*"}
	c := collect(t, redis.Options{Config: cfg})
	members := found(t, c.Finder())
	if len(members) != 6 {
		t.Fatalf("found %v", members)
	}
	for address := range members {
		wantUp(t, open(t, c.Finder(), address).Scrape(enough))
	}
}
