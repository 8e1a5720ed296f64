package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSurface(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	defer backend.Close()
	down := deadPort(t)
	p := start(t, folder(t, `
targets:
  postgres: [{name: main, dsn: 'postgres://u@`+down+`/d'}]
  redis:
    - {name: cache, url: 'redis://`+down+`/0', on_metrics: true}
    - {name: queue, url: 'redis://`+down+`/1'}
  api: [{name: backend, url: '`+backend.URL+`', probes: [/]}]
receiver: {}
`))
	if a := p.get("/"); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("landing page: %d %s", a.status, a.header.Get("Content-Type"))
	} else {
		for _, link := range []string{"/metrics", "/incidents", "/sd", "/config", "/-/ready"} {
			if !strings.Contains(a.body, `href="`+strings.TrimPrefix(link, "/")+`"`) && !strings.Contains(a.body, `href="`+link+`"`) {
				t.Errorf("landing page does not lead to %s:\n%s", link, a.body)
			}
		}
	}
	for path, want := range map[string]int{
		"/nothing": 404, "/-/healthy": 200, "/-/ready": 200, "/runbooks/Nothing": 404, "/probe": 400, "/probe?target=nothing": 404, "/probe?target=backend": 200,
		"/probe?target=main": 200, "/probe?target=queue": 200, "/metrics?collect[]=nothing": 400,
	} {
		if a := p.get(path); a.status != want {
			t.Errorf("%s: %d, want %d: %s", path, a.status, want, a.body)
		}
	}

	// The format of Prometheus' http_sd_configs.
	a := p.get("/sd")
	var groups []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	if err := json.Unmarshal([]byte(a.body), &groups); err != nil || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v: %s", a.header.Get("Content-Type"), err, a.body)
	}
	got := map[string]map[string]string{}
	for _, g := range groups {
		if diff := cmp.Diff([]string{strings.TrimPrefix(p.url, "http://")}, g.Targets); diff != "" {
			t.Error(diff)
		}
		got[g.Labels["__param_target"]] = g.Labels
	}
	label := func(name, kind string, onMetrics bool) map[string]string {
		l := map[string]string{"__metrics_path__": "/probe", "__param_target": name, "__scheme__": "http", "chronoops_kind": kind, "instance": name}
		if onMetrics {
			l["__meta_chronoops_on_metrics"] = "true"
		}
		return l
	}
	want := map[string]map[string]string{
		"main": label("main", "postgres", true), "cache": label("cache", "redis", true), "queue": label("queue", "redis", false), "backend": label("backend", "api", true),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("/sd (-want +got):\n%s", diff)
	}

	// A probe shows its target alone; the page of the metrics the host too.
	probe := samples(p.get("/probe?target=queue").body)
	if probe["redis_up"] != "0" || probe["node_load1"] != "" || probe["pg_up"] != "" {
		t.Errorf("/probe?target=queue: %v", probe)
	}
	m := p.metrics()
	if m["redis_up"] != "0" || m["pg_up"] != "0" || m["node_load1"] == "" || !strings.HasPrefix(one(m, "probe_success"), "1") {
		t.Errorf("/metrics: redis_up %q, pg_up %q, node_load1 %q, probe_success %q", m["redis_up"], m["pg_up"], m["node_load1"], one(m, "probe_success"))
	}
	only := samples(p.get("/metrics?collect[]=loadavg").body)
	if only["node_load1"] == "" || only["redis_up"] != "" {
		t.Errorf("collect[] gives %v", only)
	}
}

// one returns the value of the first series of a family.
func one(m map[string]string, family string) string {
	for series, value := range m {
		if series == family || strings.HasPrefix(series, family+"{") {
			return value
		}
	}
	return ""
}

// canary stands in every place that holds a secret.
const canary = "c4n4ry"

const secrets = `
instance: {name: web1}
targets:
  postgres:
    - {name: main, dsn: 'postgres://u:c4n4ry@127.0.0.1:9/d', on_metrics: true}
    - {name: words, dsn: 'host=127.0.0.1 port=9 user=u password=c4n4ry dbname=d'}
    - {name: query, dsn: 'postgres://127.0.0.1:9/d?user=u&password=c4n4ry'}
  redis:
    - {name: cache, url: 'redis://u:c4n4ry@127.0.0.1:9/0', on_metrics: true}
    - {name: queue, url: 'redis://127.0.0.1:9/1', username: u, password: c4n4ry}
  api: [{name: backend, url: 'http://127.0.0.1:9', authorization_file: c4n4ry.txt/../auth}]
  prometheus:
    - {name: prom, url: 'http://127.0.0.1:9', http_config: {basic_auth: {username: u, password: c4n4ry}}}
    - {name: prom2, url: 'http://127.0.0.1:9', http_config: {authorization: {credentials: c4n4ry}}}
    - {name: prom3, url: 'http://127.0.0.1:9', http_config: {http_headers: {X-Key: {secrets: [c4n4ry]}}}}
  alertmanager:
    - {name: am, url: 'http://127.0.0.1:9', http_config: {oauth2: {client_id: u, client_secret: c4n4ry, token_url: 'http://127.0.0.1:9/t'}}}
notifications:
  smtp_smarthost: '127.0.0.1:9'
  smtp_from: chronoops@example.com
  smtp_auth_username: u
  smtp_auth_password: c4n4ry
  slack_api_url: 'https://127.0.0.1:9/services/c4n4ry'
  opsgenie_api_key: c4n4ry
  victorops_api_key: c4n4ry
  http_config: {proxy_url: 'http://u:c4n4ry@127.0.0.1:9'}
contacts:
  - {role: mail, name: ann, email: ann@example.com}
  - {role: bot, name: ann, slack: {bot_token: xoxb-c4n4ry, channel: C0123456789}}
  - {role: hook, name: ann, webhook_configs: [{url: 'http://u:c4n4ry@127.0.0.1:9/hooks/c4n4ry?token=c4n4ry', http_config: {authorization: {credentials: c4n4ry}}}]}
  - {role: slack, name: ann, slack_configs: [{channel: '#ops', api_url: 'https://127.0.0.1:9/services/T/B/c4n4ry'}]}
  - {role: duty, name: ann, pagerduty_configs: [{routing_key: c4n4ry, url: 'https://127.0.0.1:9'}]}
  - {role: chat, name: ann, telegram_configs: [{bot_token: c4n4ry, chat_id: 1}]}
  - {role: push, name: ann, pushover_configs: [{user_key: c4n4ry, token: c4n4ry}]}
  - {role: teams, name: ann, msteamsv2_configs: [{webhook_url: 'https://127.0.0.1:9/c4n4ry'}]}
  - {role: letter, name: ann, email_configs: [{to: ann@example.com, auth_username: u, auth_password: c4n4ry, auth_secret: c4n4ry}]}
escalation: [{level: 1, timeout: 5, contacts: [mail, bot, hook, slack, duty, chat, push, teams, letter]}]
receiver:
  tokens: [{name: ann, role: operator, token: c4n4ry-of-sixteen-letters}]
  sources: [{name: prod, token: c4n4ry-of-another-kind, alertmanagers: [am]}]
  postgres: [{target: main, dsn: 'postgres://r:c4n4ry@127.0.0.1:9/d'}]
  heartbeat: {url: 'https://127.0.0.1:9/ping/c4n4ry'}
  policies:
    - name: p
      match: ['alertname="X"']
      repair:
        - {action: command, with: {argv: [/bin/true], env: {API_TOKEN: c4n4ry}}}
`

// Invariant 8: no secret is in what a viewer may see, nor in the log, whatever goes wrong.
func TestInvariant8SecretsStaySecret(t *testing.T) {
	t.Parallel()
	dir := folder(t, strings.Replace(secrets, "c4n4ry.txt/../auth", "auth", 1))
	write(t, filepath.Join(dir, "auth"), "Bearer "+canary+"\n")
	p := start(t, dir)
	if a := p.post(""); a.status != http.StatusUnauthorized {
		t.Errorf("the webhook answers %d", a.status)
	}
	token := "Authorization: Bearer c4n4ry-of-sixteen-letters"
	config := p.get("/config", token)
	if config.status != http.StatusOK {
		t.Fatalf("/config: %d %s", config.status, config.body)
	}
	for _, shown := range []string{"name: web1", "role: letter", "<secret>", "<hidden>", "API_TOKEN", "chat_id: 1", "/bin/true", "127.0.0.1"} {
		if !strings.Contains(config.body, shown) {
			t.Errorf("/config does not show %q", shown)
		}
	}
	for _, path := range []string{"/config", "/metrics", "/", "/sd", "/-/ready", "/incidents", "/api/v1/incidents", "/api/v1/actions", "/probe?target=main", "/probe?target=words", "/probe?target=queue"} {
		a := p.get(path, token)
		for line := range strings.Lines(a.body) {
			if strings.Contains(line, canary) {
				t.Errorf("%s shows %s", path, line)
			}
		}
	}
	p.reload("receiver: {}\nnotifications: {slack_api_url: 'c4n4ry'}\ntargets: {postgres: [{name: x, dsn: 'postgres://u:c4n4ry@:x:y/d'}], redis: c4n4ry}\n", notReloaded)
	if strings.Contains(p.Output(), canary) {
		t.Errorf("the log holds a secret:\n%s", p.Output())
	}
}
