package redis_test

import (
	"net"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

func TestServerThatNeverAnswers(t *testing.T) {
	s := scraper(t, target("redis://"+collectortest.Silent(t)))
	for range 3 {
		o := s.Scrape(short)
		wantDown(t, o, "timeout")
		if o.Took > 2*short {
			t.Errorf("took %v, want at most %v", o.Took, short)
		}
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
}

func TestServerThatResets(t *testing.T) {
	s := scraper(t, target("redis://"+collectortest.Resetting(t)))
	for range 3 {
		wantDown(t, s.Scrape(enough), "reset")
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
}

// TestReplies has servers that answer everything with one error, as some do in states that are hard to bring about.
func TestReplies(t *testing.T) {
	for reply, reason := range map[string]string{
		"-LOADING Redis is loading the dataset in memory\r\n":                                   "starting_up",
		"-DENIED Redis is running in protected mode\r\n":                                        "permission",
		"-NOAUTH Authentication required.\r\n":                                                  "missing_credentials",
		"-ERR max number of clients + cluster connections reached\r\n":                          "too_many_connections",
		"-ERR something else\r\n":                                                               "error",
		"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n":     "error",
		"-NOPERM this user has no permissions to run the 'info' command or its subcommand\r\n":  "permission",
		"-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n":              "busy",
		"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n": "no_primary",
		"$99999999999\r\nx":                 "error",
		"$9223372036854775807\r\nx":         "error",
		"*3\r\n$1\r\nx\r\n$88888888888\r\n": "error",
		"+" + strings.Repeat("x", 65<<20):   "error",
	} {
		addr := collectortest.Listen(t, func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				if _, err := c.Write([]byte(reply)); err != nil {
					return
				}
			}
		})
		wantDown(t, scraper(t, target("redis://"+addr)).Scrape(enough), reason)
	}
}

func TestNameThatDoesNotResolve(t *testing.T) {
	wantDown(t, scraper(t, target("redis://nowhere.invalid:6379")).Scrape(enough), "dns")
}

func TestServerWithoutTLS(t *testing.T) {
	addr := collectortest.Listen(t, func(c net.Conn) { _, _ = c.Write([]byte("-ERR Protocol error\r\n")) })
	wantDown(t, scraper(t, target("rediss://"+addr)).Scrape(enough), "tls")
}

// TestWrongPassword also looks for the password wherever something could leak.
func TestWrongPassword(t *testing.T) {
	const canary = "tr0ub4dor-c4n4ry"
	r := start(t, stack.RedisOptions{Args: []string{"--requirepass", "right"}})
	for url, reason := range map[string]string{
		"redis://" + r.Addr:                           "missing_credentials",
		"redis://:" + canary + "@" + r.Addr:           "wrong_credentials",
		"redis://nobody:" + canary + "@" + r.Addr:     "wrong_credentials",
		"redis://:right@" + r.Addr + "/99":            "no_database",
		"redis://:" + canary + "@127.0.0.1:1/0":       "refused",
		"redis://:" + canary + "@nowhere.invalid:1/0": "dns",
		"unix://:" + canary + "@/no/such/socket?db=0": "refused",
	} {
		s := scraper(t, target(url))
		o := s.Scrape(enough)
		wantDown(t, o, reason)
		wantDown(t, s.Scrape(enough), reason)
		log := s.Log()
		if len(log) != 1 {
			t.Errorf("%s: logged %q, want one line", url, log)
		}
		if all := o.Text + strings.Join(log, "\n"); strings.Contains(all, canary) {
			t.Errorf("the password got out:\n%s", all)
		}
	}
	// Configuration errors repeat what the operator wrote, but not this.
	for _, bad := range []string{
		"redis://:" + canary + "@h:port", "redis://:" + canary + "%zz@h", "http://:" + canary + "@h", canary,
		"redis://:" + canary + "@h/0?unknown=1",
	} {
		_, err := redis.New(redis.Options{Config: target(bad)})
		if err == nil {
			t.Errorf("%s was accepted", bad)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("the password is in %q", err)
		}
	}
	wantUp(t, scraper(t, target("redis://:right@"+r.Addr)).Scrape(enough))
}

// TestRights has a user that may run INFO alone, and one that may not even do that.
func TestRights(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "ACL SETUSER watcher on >pw +info +client|setname")
	do(t, r.Addr, "ACL SETUSER nobody on >pw +ping")
	failed := []string{"redis_config", "redis_slowlog", "redis_latency"}
	if since(t, r, 7) {
		failed = append(failed, "redis_latency_histogram")
	}
	s := scraper(t, target("redis://watcher:pw@"+r.Addr))
	for range 3 {
		o := s.Scrape(enough)
		wantUp(t, o, failed...)
		if o.Sample(`redis_db_keys{db="db15"}`) != "0" {
			t.Error("empty databases are missing")
		}
	}
	if log := s.Log(); len(log) != len(failed) {
		t.Errorf("logged %q, want one line for each part", log)
	}
	// The refused commands are not sent again at once: each would leave an entry in the ACL log.
	if stats := do(t, r.Addr, "INFO commandstats"); since(t, r, 7) &&
		!strings.Contains(stats, "cmdstat_config|get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,") {
		t.Errorf("CONFIG GET was sent again: %s", stats)
	}
	wantDown(t, scraper(t, target("redis://nobody:pw@"+r.Addr)).Scrape(enough), "permission")
}

func TestTooManyClients(t *testing.T) {
	r := start(t, stack.RedisOptions{Args: []string{"--maxclients", "4"}})
	kept := scraper(t, target(r.URL))
	wantUp(t, kept.Scrape(enough))
	for range 4 {
		conn, err := net.Dial("tcp", r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	s := scraper(t, target(r.URL))
	eventually(t, "the limit", func() bool { return s.Scrape(enough).Sample("redis_up") == "0" })
	wantDown(t, s.Scrape(enough), "too_many_connections")
	wantUp(t, kept.Scrape(enough)) // That is what the kept connection is for.
}

func TestServerGoesAndComesBack(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	s := scraper(t, target(r.URL))
	wantUp(t, s.Scrape(enough))

	// A connection that was closed between two scrapes is no reason to call the server down.
	do(t, r.Addr, "CLIENT KILL TYPE normal")
	wantUp(t, s.Scrape(enough))

	stop(t, r)
	for range 3 {
		wantDown(t, s.Scrape(enough), "refused")
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
	again := start(t, stack.RedisOptions{Port: r.Port})
	wantUp(t, s.Scrape(enough))
	if n := clients(t, again.Addr); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestServerFreezes stops the traffic on a connection that was in use, as a dead network does, or a server in a script.
func TestServerFreezes(t *testing.T) {
	r := server(t)
	before := clients(t, r.Addr)
	proxy := collectortest.NewProxy(t, r.Addr)
	s := scraper(t, target("redis://"+proxy.Addr))
	wantUp(t, s.Scrape(enough))
	proxy.Freeze(true)
	for range 4 {
		o := s.Scrape(short)
		wantDown(t, o, "timeout")
		if o.Took > 2*short {
			t.Errorf("took %v, want at most %v", o.Took, short)
		}
		if n := clients(t, r.Addr); n > before+2 {
			t.Errorf("%d connections of ours, want at most %d", n, before+2)
		}
	}
	proxy.Freeze(false)
	eventually(t, "the network", func() bool { return s.Scrape(enough).Sample("redis_up") == "1" })
	eventually(t, "one connection", func() bool { return clients(t, r.Addr) == before+1 })
}
