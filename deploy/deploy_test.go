package deploy_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/deploy"
	"github.com/chronoops/chronoops/rules"
	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// ruleFiles returns the shipped rules by the name under which the shipped configuration looks for them.
func ruleFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	names, err := fs.Glob(rules.Files(), "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(rules.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(filepath.Dir(deploy.RulesPattern), name)] = string(b)
	}
	return files
}

func TestPrometheusConfig(t *testing.T) {
	promtool, err := parts.Find("promtool")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := ruleFiles(t)
	files["prometheus.yml"] = deploy.Prometheus
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := promtool.Command("check", "config", "--lint=all", "--lint-fatal", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	if got, want := strings.Count(string(out), "rules found"), len(files)-1; got != want {
		t.Errorf("the configuration finds %d of %d rule files:\n%s", got, want, out)
	}
}

func TestAlertmanagerRoutes(t *testing.T) {
	c, err := config.Load(deploy.Alertmanager)
	if err != nil {
		t.Fatal(err)
	}
	route := dispatch.NewRoute(c.Route, nil)
	for _, test := range []struct {
		labels model.LabelSet
		want   string
	}{
		{model.LabelSet{"alertname": "Watchdog", "severity": "none", "domain": "meta"}, "chronoops-watchdog"},
		{model.LabelSet{"alertname": "ChronoopsDown", "domain": "chronoops"}, "past-chronoops"},
		{model.LabelSet{"alertname": "PagesFailing", "domain": "chronoops"}, "past-chronoops"},
		{model.LabelSet{"alertname": "ApiDown", "domain": "api"}, "chronoops"},
		{model.LabelSet{"alertname": "SomebodysOwn"}, "chronoops"},
	} {
		var got []string
		for _, r := range route.Match(test.labels) {
			got = append(got, r.RouteOpts.Receiver)
		}
		if !slices.Equal(got, []string{test.want}) {
			t.Errorf("%v goes to %v, want %s", test.labels, got, test.want)
		}
	}
	for _, r := range c.Receivers {
		for _, w := range r.WebhookConfigs {
			if url := string(w.URL); url != "http://"+deploy.Address+"/api/v1/alerts" {
				t.Errorf("receiver %s posts to %s", r.Name, url)
			}
			if w.HTTPConfig == nil || w.HTTPConfig.Authorization == nil || w.HTTPConfig.Authorization.CredentialsFile != deploy.TokenFile {
				t.Errorf("receiver %s posts without the credential of %s", r.Name, deploy.TokenFile)
			}
			if r.Name == "past-chronoops" {
				t.Error("past-chronoops leads to chronoops")
			}
		}
	}
}

// TestInhibition holds the rules that hide consequences to alerts and labels that exist: a label that both sides lack
// counts as equal, so that a slip inhibits everything.
func TestInhibition(t *testing.T) {
	c, err := config.Load(deploy.Alertmanager)
	if err != nil {
		t.Fatal(err)
	}
	alert := func(name, domain, severity, instance string) model.LabelSet {
		return model.LabelSet{
			"alertname": model.LabelValue(name), "domain": model.LabelValue(domain), "severity": model.LabelValue(severity),
			"job": "chronoops", "instance": model.LabelValue(instance),
		}
	}
	hides := func(source, target model.LabelSet) bool {
		return slices.ContainsFunc(c.InhibitRules, func(r amcommon.InhibitRule) bool {
			for _, m := range r.SourceMatchers {
				if !m.Matches(string(source[model.LabelName(m.Name)])) {
					return false
				}
			}
			for _, m := range r.TargetMatchers {
				if !m.Matches(string(target[model.LabelName(m.Name)])) {
					return false
				}
			}
			for _, l := range r.Equal {
				if source[model.LabelName(l)] != target[model.LabelName(l)] {
					return false
				}
			}
			return true
		})
	}
	postgresDown := alert("PostgresDown", "postgres", "critical", "web1")
	for _, test := range []struct {
		source, target model.LabelSet
		want           bool
	}{
		{postgresDown, alert("TooManyConnections", "postgres", "warning", "web1"), true},
		{postgresDown, alert("CollectorFailed", "meta", "warning", "web1"), true},
		{postgresDown, alert("TooManyConnections", "postgres", "warning", "web2"), false},
		{postgresDown, alert("RedisDown", "redis", "critical", "web1"), false},
		{postgresDown, alert("ApiDown", "api", "critical", "web1"), false},
		{alert("ApiDown", "api", "critical", "web1"), alert("HighErrorRate", "api", "critical", "web1"), true},
		{alert("HighErrorRate", "api", "critical", "web1"), alert("ApiDown", "api", "critical", "web1"), false},
		{alert("ChronoopsDown", "chronoops", "critical", "web1"), alert("Watchdog", "meta", "none", "web1"), false},
	} {
		if got := hides(test.source, test.target); got != test.want {
			t.Errorf("%s on %s hides %s on %s: %t, want %t", test.source["alertname"], test.source["instance"],
				test.target["alertname"], test.target["instance"], got, test.want)
		}
	}
}

func TestYAMLIsPlain(t *testing.T) {
	err := fs.WalkDir(deploy.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yml" {
			return err
		}
		b, err := fs.ReadFile(deploy.Files, path)
		if err != nil {
			return err
		}
		var doc map[string]any
		if err := yaml.Load(b, &doc); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSystemdUnit has the unit verified where systemd is; the switches that matter are looked for everywhere.
func TestSystemdUnit(t *testing.T) {
	unit, err := fs.ReadFile(deploy.Files, "systemd/chronoops.service")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(unit)) {
		set[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		"Type=notify", "Restart=on-failure", "User=chronoops", "StateDirectory=chronoops", "NoNewPrivileges=yes",
		"CapabilityBoundingSet=", "ProtectSystem=strict", "MemoryDenyWriteExecute=yes", "UMask=0077",
	} {
		if !set[want] {
			t.Errorf("the unit lacks %s", want)
		}
	}
	// These would hide the host from its metrics.
	for _, bad := range []string{"ProtectProc=invisible", "ProcSubset=pid", "PrivateUsers=yes", "ProtectHome=yes"} {
		if set[bad] {
			t.Errorf("the unit sets %s", bad)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), "chronoops.service")
	runnable := strings.ReplaceAll(string(unit), "/usr/bin/chronoops", "/bin/true")
	if err := os.WriteFile(path, []byte(runnable), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestFilesWorkTogether runs the shipped files, with other addresses and a quicker pace, against a stand-in for chronoops.
func TestFilesWorkTogether(t *testing.T) {
	type message struct {
		Receiver string
		Alerts   []struct{ Labels map[string]string }
	}
	messages := make(chan message, 64)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `probe_success{probe="backend"} 0`)
		fmt.Fprintf(w, "chronoops_rules_shipped_info{version=%q} 1\n", rules.Version)
	})
	mux.HandleFunc("GET /probe", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "pg_up 0")
	})
	mux.HandleFunc("GET /sd", func(w http.ResponseWriter, r *http.Request) {
		target := func(name, onMetrics string) string {
			return fmt.Sprintf(`{"targets":[%q],"labels":{"instance":%q,"__metrics_path__":"/probe","__param_target":%q,"__meta_chronoops_on_metrics":%q}}`,
				r.Host, name, name, onMetrics)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "[%s,%s]", target("main", "true"), target("second", ""))
	})
	mux.HandleFunc("POST /api/v1/alerts", func(_ http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("webhook with the credential %q", got)
		}
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		messages <- m
	})
	chronoops := httptest.NewServer(mux)
	defer chronoops.Close()

	quick := strings.NewReplacer(
		deploy.Address, chronoops.Listener.Addr().String(),
		"group_wait: 5s", "group_wait: 0s", "group_interval: 30s", "group_interval: 1s")
	am, err := stack.StartAlertmanager(t.Context(), stack.AlertmanagerOptions{
		Config: quick.Replace(deploy.Alertmanager),
		Files:  map[string]string{deploy.TokenFile: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer am.Stop()
	files := ruleFiles(t)
	for name, text := range files {
		files[name] = strings.NewReplacer("for: 1m\n", "for: 1s\n", "for: 2m\n", "for: 1s\n").Replace(text)
	}
	prom, err := stack.StartPrometheus(t.Context(), stack.PrometheusOptions{
		Config: strings.NewReplacer(
			deploy.Address, chronoops.Listener.Addr().String(), deploy.AlertmanagerAddress, am.Addr, deploy.PrometheusAddress, "127.0.0.1:@PORT@",
			"scrape_interval: 15s", "scrape_interval: 500ms", "scrape_timeout: 10s", "scrape_timeout: 500ms",
			"evaluation_interval: 15s", "evaluation_interval: 500ms",
		).Replace(deploy.Prometheus),
		Files: files,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prom.Stop()

	// Both probe_success of /metrics and pg_up of the one target that is not on /metrics are seen and reported.
	want := map[string]string{"Watchdog": "chronoops-watchdog", "ApiDown": "chronoops", "PostgresDown": "chronoops"}
	deadline := time.After(time.Minute)
	for len(want) > 0 {
		select {
		case m := <-messages:
			for _, a := range m.Alerts {
				name := a.Labels["alertname"]
				if receiver, ok := want[name]; ok && receiver == m.Receiver {
					delete(want, name)
				}
				if name == "PostgresDown" && a.Labels["instance"] != "second" {
					t.Errorf("PostgresDown of the instance %q", a.Labels["instance"])
				}
				if name == "ServiceDown" || a.Labels["domain"] == "chronoops" {
					t.Errorf("unexpected: %v", a.Labels)
				}
			}
		case <-deadline:
			t.Fatalf("not reported: %v\nPrometheus said:\n%s\nAlertmanager said:\n%s", want, prom.Output(), am.Output())
		}
	}
}
