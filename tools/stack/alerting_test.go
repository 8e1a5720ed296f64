package stack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

// TestAlertReachesWebhook goes the whole way: a scrape, a rule, Alertmanager's webhook, and back to resolved.
func TestAlertReachesWebhook(t *testing.T) {
	t.Parallel()
	type message struct {
		Version, Status string
		Alerts          []struct{ Labels map[string]string }
		credential      string
	}
	messages := make(chan message, 16)
	webhook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m := message{credential: r.Header.Get("Authorization")}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		messages <- m
	}))
	defer webhook.Close()
	alertmanager, err := stack.StartAlertmanager(t.Context(), stack.AlertmanagerOptions{
		Config: `
route: {receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname]}
receivers:
  - name: hook
    webhook_configs:
      - url: ` + webhook.URL + `
        http_config: {authorization: {credentials_file: '@DIR@/token'}}
`,
		Files: map[string]string{"token": "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer alertmanager.Stop()
	prometheus, err := stack.StartPrometheus(t.Context(), stack.PrometheusOptions{
		Config: `
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: ['@DIR@/rules.yml']
alerting: {alertmanagers: [{static_configs: [{targets: ['` + alertmanager.Addr + `']}]}]}
scrape_configs:
  - {job_name: self, static_configs: [{targets: ['127.0.0.1:@PORT@']}]}
`,
		Files: map[string]string{"rules.yml": `groups: [{name: test, rules: [{alert: Scraped, expr: 'up{job="self"} == 1'}]}]`},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prometheus.Stop()

	var firing message
	select {
	case firing = <-messages:
	case <-time.After(time.Minute):
		t.Fatalf("no webhook; Prometheus said:\n%s\nAlertmanager said:\n%s", prometheus.Output(), alertmanager.Output())
	}
	if firing.Version != "4" || firing.Status != "firing" || len(firing.Alerts) != 1 || firing.Alerts[0].Labels["alertname"] != "Scraped" {
		t.Errorf("webhook holds %+v", firing)
	}
	if firing.credential != "Bearer secret" {
		t.Errorf("webhook came with the credential %q", firing.credential)
	}

	// A reload is obeyed.
	if err := os.WriteFile(filepath.Join(prometheus.Dir, "rules.yml"), []byte("groups: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := prometheus.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		resp, err := http.Get(prometheus.URL + "/api/v1/rules")
		if err != nil {
			return err
		}
		if text := body(resp); !strings.Contains(text, `"groups":[]`) {
			return fmt.Errorf("rules are still %s", text)
		}
		return nil
	})
	stopped(t, prometheus, prometheus.Addr, prometheus.Dir)
	stopped(t, alertmanager, alertmanager.Addr, alertmanager.Dir)
}
