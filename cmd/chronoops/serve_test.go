package main

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/api"
)

// armedWithout may act, and takes alerts from anybody.
const armedWithout = `
receiver:
  mode: auto
  policies:
    - name: p
      match: ['alertname="X"']
      mode: approve
      repair: [{action: systemd.restart, with: {unit: chronoops-test.service}}]
`

// pagingWithout may page a person, and takes alerts from anybody.
const pagingWithout = `
receiver: {mode: shadow}
notifications: {smtp_smarthost: '127.0.0.1:9', smtp_from: chronoops@example.com}
contacts: [{role: oncall, name: ann, email: ann@example.com}]
escalation: [{level: 1, timeout: 5, contacts: [oncall]}]
`

const withToken = "receiver:\n  sources: [{name: prod, token: " + webhookToken + "}]\n"

func TestUnauthenticatedListener(t *testing.T) {
	t.Parallel()
	const source = "sources: [{name: prod, alertmanagers: [am], token: " + webhookToken + "}]"
	const target = "\ntargets: {alertmanager: [{name: am, url: 'http://127.0.0.1:9'}]}\n"
	for name, config := range map[string]string{"armed": armedWithout, "paging": pagingWithout} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			why := map[string]string{"armed": "a policy may act", "paging": "people can be paged"}[name]
			p := start(t, folder(t, config))
			p.wantMetrics(map[string]string{"chronoops_receiver_up": "0", `chronoops_scrape_collector_success{collector="loadavg"}`: "1"})
			notReady(t, p, why, "token_file", "credentials_file")
			if out := p.Output(); !strings.Contains(out, "The receiver could not start") || !strings.Contains(out, why) || !strings.Contains(out, "openssl rand") {
				t.Errorf("the log does not say what to do:\n%s", out)
			}
			if a := p.request(http.MethodPost, p.url+api.WebhookPath, alert("firing", map[string]string{"alertname": "X"}), asJSON); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "no_receiver") {
				t.Errorf("the webhook answers %d %s", a.status, a.body)
			}
			if text, code := checked(t, p.dir); code != exitFailed || !strings.Contains(text, "chronoops.yml:2: "+why) || !strings.Contains(text, "token_file") {
				t.Errorf("check config: %d %s", code, text)
			}

			// Wrong again at a reload, then right.
			p.reload(config+"\ninstance: {name: other}\n", notReloaded)
			p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "0", "chronoops_receiver_up": "0"})
			p.reload(strings.NewReplacer("{mode: shadow}", "{"+source+"}", "mode: auto", source).Replace(config)+target, reloaded)
			p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "1", "chronoops_receiver_up": "1"})
			if a := p.get("/-/ready"); a.status != http.StatusOK {
				t.Errorf("/-/ready answers %d %s", a.status, a.body)
			}
		})
	}
}

func notReady(t *testing.T, p *program, words ...string) {
	t.Helper()
	a := p.get("/-/ready")
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("/-/ready answers %d", a.status)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("/-/ready does not say %q: %s", w, a.body)
		}
	}
	if a := p.get("/-/healthy"); a.status != http.StatusOK {
		t.Errorf("/-/healthy answers %d", a.status)
	}
}

// A receiver that could not start is there as soon as a reload brings what it lacked.
func TestReceiverComesWithReload(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, "receiver: {}\ncontacts: [{role: oncall, name: ann, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\nescalation: [{level: 1, timeout: 5, contacts: [oncall]}]\n"))
	notReady(t, p, "people can be paged")
	p.reload(withToken, reloaded)
	p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "1", "chronoops_receiver_up": "1"})
	if a := p.get("/-/ready"); a.status != http.StatusOK {
		t.Errorf("/-/ready answers %d %s", a.status, a.body)
	}
	if a := p.post(alert("firing", map[string]string{"alertname": "X"})); a.status != http.StatusOK {
		t.Errorf("the webhook answers %d %s", a.status, a.body)
	}

	// A running receiver stays as it is when its credential would go.
	p.reload(armedWithout, notReloaded)
	p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "0", "chronoops_receiver_up": "1"})
	if a := p.post(alert("firing", map[string]string{"alertname": "Y"})); a.status != http.StatusOK {
		t.Errorf("the webhook answers %d %s", a.status, a.body)
	}
	if a := p.request(http.MethodPost, p.url+api.WebhookPath, alert("firing", map[string]string{"alertname": "Y"}), asJSON); a.status != http.StatusUnauthorized {
		t.Errorf("without a credential the webhook answers %d %s", a.status, a.body)
	}
	a := p.request(http.MethodPost, p.url+"/-/reload", "", p.operator())
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "a policy may act") {
		t.Errorf("reload answers %d %s", a.status, a.body)
	}
	p.reload(withToken, reloaded)
	p.wantMetrics(map[string]string{"chronoops_config_last_reload_successful": "1"})
}

func TestStorageTrouble(t *testing.T) {
	t.Parallel()
	noReceiver := func(t *testing.T, p *program, words ...string) {
		t.Helper()
		p.wantMetrics(map[string]string{"chronoops_receiver_up": "0", `chronoops_scrape_collector_success{collector="loadavg"}`: "1"})
		notReady(t, p, words...)
	}
	t.Run("locked", func(t *testing.T) {
		t.Parallel()
		first := start(t, folder(t, withToken))
		second := start(t, folder(t, withToken), "--storage.path="+filepath.Join(first.dir, "state"))
		noReceiver(t, second, "in use by another chronoops", "--storage.path")
		second.reload(withToken, notReloaded)
		second.reload(withToken+"  mode: shadow\n", notReloaded)
		noReceiver(t, second, "in use by another chronoops")
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		second.reload(withToken, reloaded)
		second.wantMetrics(map[string]string{"chronoops_receiver_up": "1"})
	})
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		first := start(t, folder(t, withToken))
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", filepath.Join(first.dir, "state", "chronoops.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), `UPDATE meta SET value = '999' WHERE key = 'schema'`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		noReceiver(t, start(t, first.dir), "schema 999", "newer chronoops")
	})
	t.Run("unwritable", func(t *testing.T) {
		t.Parallel()
		dir := folder(t, withToken)
		write(t, filepath.Join(dir, "file"), "") // root could write into a folder of any mode
		noReceiver(t, start(t, dir, "--storage.path="+filepath.Join(dir, "file", "state")), "storage folder")
	})
	t.Run("open token", func(t *testing.T) {
		t.Parallel()
		first := start(t, folder(t, withToken))
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(api.OperatorFile(filepath.Join(first.dir, "state")), 0o644); err != nil { //nolint:gosec // that is what is refused
			t.Fatal(err)
		}
		noReceiver(t, start(t, first.dir), "chmod 600")
	})
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	first := start(t, folder(t, withToken))
	dir := folder(t, withToken)
	var log strings.Builder
	code := run([]string{
		"serve", "--config.file=" + filepath.Join(dir, "chronoops.yml"), "--storage.path=" + filepath.Join(dir, "state"),
		"--web.listen-address=" + strings.TrimPrefix(first.url, "http://"),
	}, console{out: &log, err: &log})
	if code != exitFailed || !strings.Contains(log.String(), "address already in use") || !strings.Contains(log.String(), "--web.listen-address") {
		t.Errorf("code %d:\n%s", code, log.String())
	}
	if strings.Contains(log.String(), "chronoops is running") {
		t.Error("it says that it is running")
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("the store was opened before the port was known to be free")
	}
}

func TestBadConfigurationDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := folder(t, "receiver: {sorces: []}\n")
	var log strings.Builder
	code := run([]string{"serve", "--config.file=" + filepath.Join(dir, "chronoops.yml"), "--web.listen-address=127.0.0.1:0"}, console{out: &log, err: &log})
	if code != exitFailed || !strings.Contains(log.String(), `chronoops.yml:1: unknown key \"sorces\": did you mean \"sources\"?`) {
		t.Errorf("code %d:\n%s", code, log.String())
	}
}

func TestListenersOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, withToken), "--receiver.listen-address=127.0.0.1:0")
	if p.url == p.receiver {
		t.Fatal("both are on one address")
	}
	for _, c := range []struct {
		base, path string
		status     int
	}{
		{p.url, "/metrics", 200},
		{p.url, "/sd", 200},
		{p.url, "/", 200},
		{p.url, "/incidents", 404},
		{p.url, "/api/v1/incidents", 404},
		{p.receiver, "/incidents", 200},
		{p.receiver, "/api/v1/incidents", 200},
		{p.receiver, "/metrics", 404},
		{p.receiver, "/config", 404},
		{p.receiver, "/-/reload", 404},
	} {
		if a := p.request(http.MethodGet, c.base+c.path, ""); a.status != c.status {
			t.Errorf("%s%s: %d, want %d", c.base, c.path, a.status, c.status)
		}
	}
	if a := p.request(http.MethodPost, p.url+api.WebhookPath, alert("firing", nil), asJSON, "Authorization: Bearer "+webhookToken); a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
		t.Errorf("the webhook is on the metrics' listener too: %d", a.status)
	}
	if a := p.post(alert("firing", map[string]string{"alertname": "X"})); a.status != http.StatusOK {
		t.Errorf("the webhook answers %d %s", a.status, a.body)
	}
}

// Basic auth takes the Authorization header that tokens need.
func TestBasicAuthBesideTokens(t *testing.T) {
	t.Parallel()
	dir := folder(t, withToken)
	// The password is "test".
	write(t, filepath.Join(dir, "web.yml"), "basic_auth_users: {ann: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}\n")
	const basic = "Authorization: Basic YW5uOnRlc3Q="
	p := start(t, dir, "--web.config.file=web.yml")
	if a := p.get("/metrics"); a.status != http.StatusUnauthorized {
		t.Errorf("/metrics without a password: %d", a.status)
	}
	if got := samples(p.get("/metrics", basic).body)["chronoops_receiver_up"]; got != "0" {
		t.Errorf("chronoops_receiver_up is %q", got)
	}
	if a := p.get("/-/ready", basic); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "--receiver.listen-address") {
		t.Errorf("/-/ready: %d %s", a.status, a.body)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	p = start(t, dir, "--web.config.file=web.yml", "--receiver.listen-address=127.0.0.1:0")
	if a := p.get("/-/ready", basic); a.status != http.StatusOK {
		t.Errorf("with a listener of its own: %d %s", a.status, a.body)
	}
	if a := p.post(alert("firing", map[string]string{"alertname": "X"})); a.status != http.StatusOK {
		t.Errorf("the webhook answers %d %s", a.status, a.body)
	}
}

// A second signal ends a process that takes its time to stop.
func TestSignals(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, withToken))
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if out := p.Output(); !strings.Contains(out, "Stopping") {
		t.Errorf("it was not a graceful stop:\n%s", out)
	}
}

// No client keeps a connection for ever by sending or reading slowly, and no scrape is cut off that may take so long.
func TestSlowClientsAreCut(t *testing.T) {
	t.Parallel()
	s := newHTTPServer(nil)
	for name, limit := range map[string]time.Duration{"read": s.ReadTimeout, "write": s.WriteTimeout} {
		if limit <= 2*time.Minute || limit > 10*time.Minute {
			t.Errorf("the time to %s is %v", name, limit)
		}
	}
}

// While the receiver is missing nobody can prove to be an operator.
func TestProfilesNeedAReceiverThatIsConfigured(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, armedWithout), "--web.enable-pprof")
	if a := p.get("/debug/pprof/"); a.status != http.StatusServiceUnavailable {
		t.Errorf("/debug/pprof/ answers %d", a.status)
	}
	if a := p.get("/config"); a.status != http.StatusServiceUnavailable {
		t.Errorf("/config answers %d", a.status)
	}
}

func TestTelemetryPathIsChecked(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"metrics", "/config", "/{x"} {
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s: panic: %v", path, r)
				}
			}()
			var log strings.Builder
			code := run([]string{"serve", "--web.listen-address=127.0.0.1:0", "--storage.path=" + t.TempDir(), "--web.telemetry-path=" + path}, console{out: &log, err: &log})
			if code != exitFailed || !strings.Contains(log.String(), "--web.telemetry-path") {
				t.Errorf("%s: code %d:\n%s", path, code, log.String())
			}
		}()
	}
}

// The storage folder holds the pause file and the operator token. It is often named by a relative path or a link.
func TestStorageIsNeverCleaned(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]bool{"relative": false, "link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			real := filepath.Join(dir, "data")
			if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			storage := filepath.Join("data", "state")
			if link {
				storage = filepath.Join(dir, "state")
				if err := os.Mkdir(filepath.Join(real, "state"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Join(real, "state"), storage); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Symlink(filepath.Join("data", "state"), filepath.Join(dir, "state")); err != nil { // for the token
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "chronoops.yml"), withToken+`
  policies:
    - name: full
      match: ['alertname="Full"']
      repair: [{action: files.clean, with: {roots: ['`+real+`'], older_than: 1d, patterns: ['*'], max_bytes: 1GB}}]
`)
			p := start(t, dir, "--storage.path="+storage)
			a := p.request(http.MethodPost, p.receiver+"/api/v1/actions/plan", `{"policy":"full"}`, p.operator(), asJSON)
			if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "protected") {
				t.Errorf("a plan: %d %s", a.status, a.body)
			}
		})
	}
}
