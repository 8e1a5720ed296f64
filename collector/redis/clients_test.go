package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

func TestClients(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	for i := range 150 {
		conn, err := net.Dial("tcp", r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i < 2 { // The others have not said anything yet.
			fmt.Fprintf(conn, "CLIENT SETNAME worker%d\r\nSUBSCRIBE a b\r\n", i)
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	cfg := target(r.URL)
	if o := scraper(t, cfg).Scrape(enough); strings.Contains(o.Text, "redis_connected_client_") {
		t.Error("connections are shown unasked")
	}
	cfg.ClientList = true
	s := scraper(t, cfg)
	var o collectortest.Outcome
	eventually(t, "all connections", func() bool {
		o = s.Scrape(enough)
		return o.Sample("chronoops_redis_clients_left_out") == "52" // of 150 and our two
	})
	wantUp(t, o)
	if n := strings.Count(o.Text, "\nredis_connected_client_info{"); n != 100 {
		t.Errorf("%d connections are shown, want 100", n)
	}
	// The oldest are shown, so that those that come and go do not change what is.
	for _, family := range []string{"channel_subscriptions_count", "output_buffer_memory_usage_bytes", "created_at_timestamp", "idle_since_timestamp"} {
		if !strings.Contains(o.Text, "redis_connected_client_"+family+`{id="`) || !strings.Contains(o.Text, `name="worker1"} `) {
			t.Errorf("no %s", family)
		}
	}
	if !strings.Contains(o.Text, `db="0",flags="P",host="127.0.0.1",id="`) {
		t.Errorf("no subscriber in\n%s", o.Text)
	}
}

// TestTooManyClientsToList has a server with so many connections that the list is not asked for.
func TestTooManyClientsToList(t *testing.T) {
	replies := configOf5()
	replies["INFO ALL"] = recorded(t, "info5.txt")
	replies["CLIENT LIST"] = bulk("id=7 addr=[::1]:50 name=a b=c age=5 idle=4 flags=N db=0 sub=1 omem=9\nid=x addr=1\n\nid=3 addr=/tmp/s:0 name= age=1\n")
	s := newStub(t, replies)
	cfg := target("redis://" + s.addr)
	cfg.ClientList = true
	sc := collectortest.NewScraper(t, collect(t, redis.Options{Config: cfg}))
	o := sc.Scrape(enough)
	wantUp(t, o)
	wantSamples(t, o, map[string]string{
		`redis_connected_client_info{db="0",flags="N",host="[::1]",id="7",name="a"}`: "1",
		`redis_connected_client_info{db="",flags="",host="/tmp/s",id="3",name=""}`:   "1",
		`redis_connected_client_created_at_timestamp{id="7",name="a"}`:               "1.699999995e+09",
		`redis_connected_client_output_buffer_memory_usage_bytes{id="7",name="a"}`:   "9",
		`redis_connected_client_shard_channel_subscriptions_count{id="7",name="a"}`:  "",
		`chronoops_redis_clients_left_out`:                                           "0",
	})
	_, body, _ := strings.Cut(recorded(t, "info5.txt"), "\r\n")
	s.set("INFO ALL", bulk(strings.Replace(body, "connected_clients:1", "connected_clients:6000", 1)))
	sc.Scrape(enough) // it learns of them
	s.heard()
	o = sc.Scrape(enough)
	wantUp(t, o, "redis_clients")
	if o.Sample("chronoops_redis_clients_left_out") != "6000" || strings.Contains(strings.Join(s.heard(), ";"), "CLIENT LIST") {
		t.Error("the list was asked for")
	}
}
