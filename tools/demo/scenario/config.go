package scenario

import (
	"fmt"
	"strings"
	"text/template"
)

// The people of the demo, by their roles.
const (
	oncall = "oncall" // level 1: a webhook
	lead   = "lead"   // level 2: mail
)

// configText is the configuration of chronoops. {{ q }} writes a quoted string.
var configText = template.Must(template.New("chronoops.yml").Funcs(template.FuncMap{"q": quoted, "list": quotedList}).Parse(`
instance: {name: demo, owns: ['job=~"chronoops|chronoops-targets|{{ .AreaJob }}"']}
targets:
  postgres: [{name: main, dsn: {{ q .ReadDSN }}}]
  redis: [{name: cache, url: {{ q .RedisURL }}}]
  api:
    - name: shop
      url: {{ q .ShopURL }}
      on_metrics: true
      probes: [{path: /health, min_interval: 1s}]
      access_log: {path: {{ q .AccessLog }}, routes: ['/api/v1/stocks/:code/data']}
    - name: billing
      url: {{ q .BillingURL }}
      probes: [{path: /health, min_interval: 1s}]
  prometheus: [{name: prom, url: {{ q .PrometheusURL }}}]
  alertmanager: [{name: am, url: {{ q .AlertmanagerURL }}}]
receiver:
  mode: auto
  recheck: 1s
  sources: [{name: demo, token_file: webhook.token, alertmanagers: [am]}]
  postgres: [{target: main, dsn: {{ q .RepairDSN }}}]
  policies:
    - name: too-many-connections
      match: ['alertname="TooManyConnections"']
      priority: P1
      mode: auto
      repair:
        - action: postgres.terminate_idle
          with: {target: main, older_than: 1s, users: [shop]}
          verify: {within: 1m, interval: 1s, hold_down: 1s}
    - name: shop-down
      match: ['alertname="ApiDown"', 'job="chronoops"']
      unless: ['alertname="PostgresDown"']
      priority: P1
      mode: auto
      repair:
        - action: command
          with: {argv: {{ list .RestartShop }}, resource: api/shop}
          timeout: 20s
          verify: {probe: shop, within: 1m, interval: 1s, hold_down: 1s}
    - name: spool-full
      match: ['alertname="DiskSpaceLow"', {{ q .AreaMatcher }}]
      priority: P1
      mode: auto
      repair:
        - action: files.clean
          with: {roots: [{{ q .Area }}], older_than: 1s, patterns: ['*.log.*'], max_bytes: 10MB}
          verify: {promql: {{ q .AreaProof }}, within: 1m, interval: 1s, hold_down: 1s}
    - name: billing-down
      match: ['alertname="ApiDown"', 'instance="billing"']
      priority: P1
      mode: auto
      escalate: quick
      repair:
        - action: command
          with: {argv: {{ list .ReloadBilling }}, resource: api/billing}
          cooldown: 0s
          timeout: 20s
          verify: {probe: billing, within: 4s, interval: 1s, hold_down: 1s}
        - action: command
          with: {argv: {{ list .RestartBilling }}, resource: api/billing}
          cooldown: 0s
          timeout: 20s
          verify: {probe: billing, within: 4s, interval: 1s, hold_down: 1s}
notifications: {smtp_smarthost: {{ q .MailServer }}, smtp_from: chronoops@example.com, smtp_require_tls: false}
contacts:
  - {role: oncall, name: Ada, webhook_configs: [{url: {{ q .Webhook }}}]}
  - {role: lead, name: Grace, email: grace@example.com}
escalation:
  default: [{level: 1, timeout: 5m, contacts: [oncall]}, {level: 2, timeout: 5m, contacts: [lead]}]
  quick: [{level: 1, timeout: 10s, contacts: [oncall]}, {level: 2, timeout: 10s, contacts: [lead]}]
`))

// config writes the configuration for what is running.
func (w *world) config() (string, error) {
	var b strings.Builder
	err := configText.Execute(&b, map[string]any{
		"AreaJob": areaJob, "Area": w.area.dir, "AreaMatcher": fmt.Sprintf("mountpoint=%q", w.area.dir),
		"AreaProof": fmt.Sprintf("node_filesystem_avail_bytes{mountpoint=%q} > bool 0.2 * node_filesystem_size_bytes", w.area.dir),
		"ReadDSN":   w.role(reader), "RepairDSN": w.role(repairer), "RedisURL": w.redis.URL,
		"ShopURL": w.nginx.URL, "AccessLog": w.nginx.AccessLog, "BillingURL": "http://" + w.apis.address(billing),
		"PrometheusURL": w.prom.URL, "AlertmanagerURL": w.am.URL,
		"RestartShop": w.apis.argv("restart", shop), "ReloadBilling": w.apis.argv("reload", billing), "RestartBilling": w.apis.argv("restart", billing),
		"Webhook": w.pages.webhookURL(), "MailServer": w.pages.mailServer(),
	})
	return b.String(), err
}

// quoted writes a YAML string in single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoted(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
