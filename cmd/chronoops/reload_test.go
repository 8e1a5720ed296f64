package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/stack"
)

// TestReload goes through a life of reloads: what did not change keeps its connection and its counters.
func TestReload(t *testing.T) {
	t.Parallel()
	redis, err := stack.StartRedis(t.Context(), stack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Stop()
	proxy := collectortest.NewProxy(t, redis.Addr)
	dir := t.TempDir()
	log := filepath.Join(dir, "access.log")
	write(t, log, "")
	backend := deadPort(t)
	config := func(priority, more string) string {
		return `
targets:
  redis: [{name: cache, url: 'redis://` + proxy.Addr + `/0'}]
  api:
    - {name: backend, url: 'http://` + backend + `', on_metrics: true, access_log: {path: '` + log + `'}}
` + more + `
receiver:
  sources: [{name: prod, token: ` + webhookToken + `}]
  policies: [{name: p, match: ['alertname=~"X.*"'], priority: ` + priority + `}]
`
	}
	first := config("P2", "")
	write(t, filepath.Join(dir, "chronoops.yml"), first)
	p := start(t, dir)
	line := func(status string, n int) {
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			_, err = fmt.Fprintln(f, `127.0.0.1 - - [25/Oct/2025:18:23:18 +0000] "GET /orders HTTP/1.1" `+status+` 12 "-" "curl" "-"`)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	counted := func(m map[string]string, status string) string {
		for series, value := range m {
			if strings.HasPrefix(series, "http_requests_total{") && strings.Contains(series, `status="`+status+`"`) {
				return value
			}
		}
		return ""
	}
	requests := func(want string) {
		t.Helper()
		p.eventually("the access log", func() error {
			m := p.metrics()
			if got := counted(m, "200"); got != want {
				return fmt.Errorf("http_requests_total is %q, want %q", got, want)
			}
			if m["redis_up"] != "1" {
				return errors.New("redis_up is " + m["redis_up"])
			}
			return nil
		})
	}
	priority := func(name, want string) {
		t.Helper()
		if a := p.post(alert("firing", map[string]string{"alertname": name})); a.status != http.StatusOK {
			t.Fatalf("webhook: %d %s", a.status, a.body)
		}
		var list []struct {
			GroupLabels map[string]string `json:"group_labels"`
			Priority    string            `json:"priority"`
		}
		p.call(http.MethodGet, "/api/v1/incidents", nil, &list)
		for _, i := range list {
			if i.GroupLabels["alertname"] == name {
				if i.Priority != want {
					t.Errorf("the incident of %s has priority %s, want %s", name, i.Priority, want)
				}
				return
			}
		}
		t.Errorf("no incident of %s in %+v", name, list)
	}
	connections := func(want int) {
		t.Helper()
		if got := proxy.Traffic().Connections; got != want {
			t.Errorf("%d connections to Redis, want %d", got, want)
		}
	}

	// A log is followed from where it ends when it is opened.
	p.eventually("the follower", func() error {
		line("404", 1)
		if counted(p.metrics(), "404") == "" {
			return errors.New("no line is counted")
		}
		return nil
	})
	line("200", 3)
	requests("3")
	priority("X1", "P2")
	connections(1)

	// By signal: a policy changed and a target was added; what stayed goes on.
	second := config("P0", "    - {name: other, url: 'http://127.0.0.1:9'}\n")
	p.reload(second, reloaded)
	priority("X2", "P0")
	line("200", 2)
	requests("5")
	connections(1)
	if a := p.get("/probe?target=other"); a.status != http.StatusOK {
		t.Errorf("the new target: %d %s", a.status, a.body)
	}

	// A file that is wrong changes nothing.
	for _, wrong := range []string{"receiver: {sorces: []}\n", "not yaml: [", "", strings.Replace(second, "P0", "P5", 1)} {
		p.reload(wrong, notReloaded)
		p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "0"})
	}
	if a := p.request(http.MethodPost, p.url+"/-/reload", "", p.operator()); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "P5") {
		t.Errorf("reload: %d %s", a.status, a.body)
	}
	priority("X3", "P0")
	connections(1)

	// By request: the target goes, the others still do not notice.
	write(t, filepath.Join(dir, "chronoops.yml"), first)
	if a := p.request(http.MethodPost, p.url+"/-/reload", "", p.operator()); a.status != http.StatusOK {
		t.Errorf("reload: %d %s", a.status, a.body)
	}
	p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "1"})
	priority("X4", "P2")
	line("200", 1)
	requests("6")
	connections(1)
	if a := p.get("/probe?target=other"); a.status != http.StatusNotFound {
		t.Errorf("the target that went: %d", a.status)
	}
	if a := p.get("/config", p.operator()); strings.Contains(a.body, "name: other") {
		t.Error("/config shows what is not in force")
	}

	// A changed target is built anew, and the old connection closed.
	p.reload(strings.Replace(first, "/0'", "/1'", 1), reloaded)
	p.wantMetrics(map[string]string{"redis_up": "1"})
	connections(2)
}

// What the listener asks of its clients may have changed since the start.
func TestListenerIsCheckedAtReload(t *testing.T) {
	t.Parallel()
	dir := folder(t, withToken)
	web := filepath.Join(dir, "web.yml")
	write(t, web, "")
	p := start(t, dir, "--web.config.file=web.yml")
	p.reload(withToken, reloaded)
	// The password is "test".
	write(t, web, "basic_auth_users: {ann: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}\n")
	p.reload(withToken, notReloaded)
	if !strings.Contains(p.Output(), "--receiver.listen-address") {
		t.Errorf("it does not say what to do:\n%s", p.Output())
	}
	write(t, web, "")
	p.reload(withToken, reloaded)
}
