package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func noEnvironment(string) string { return "" }

// TestFaultsOfTheEnvironment: a variable that cannot be used is named, and never shown.
func TestFaultsOfTheEnvironment(t *testing.T) {
	name := writeConfig(t, "targets:\n  alertmanager: [{name: am, url: 'http://127.0.0.1:9093'}]\n")
	for variable, value := range map[string]string{
		"DATABASE_URL": "mysql://app:geheim@db/app", "REDIS_URL": "cache:geheim@6379", "API_URL": "app:geheim@127.0.0.1:8000",
	} {
		c, err := load(name, func(key string) string {
			if key == variable {
				return value
			}
			return ""
		})
		if err == nil {
			err = c.checkBuild("")
		}
		if err == nil || !strings.Contains(err.Error(), "environment variable "+variable+": ") {
			t.Errorf("%s=%s: %v", variable, value, err)
			continue
		}
		if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), ".yml:") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// TestRepairSessions: only servers that a step names are given a session to keep.
func TestRepairSessions(t *testing.T) {
	const targets = "targets: {postgres: [{name: main, dsn: 'postgres://read@a/x', on_metrics: true}, {name: other, dsn: 'postgres://read@b/x'}]}\n"
	const policies = `
receiver:
  postgres: [{target: main, dsn: 'postgres://repair@a/x'}]
  policies:
    - name: connections
      match: ['alertname="TooManyConnections"']
      repair: [{action: postgres.terminate_idle, with: {target: main, older_than: 1h, unfiltered: true}}]
`
	for text, want := range map[string][]string{
		targets:                    nil,
		targets + "receiver: {}\n": nil,
		targets + policies:         {"main"},
	} {
		c, err := load(writeConfig(t, text), noEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		set := c.actions(actionOptions{Logger: discardLogger()})
		if diff := cmp.Diff(want, set.servers); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
		sessions := c.repairSessions(set.servers)
		if len(sessions) != len(want) {
			t.Errorf("%d sessions, want %d", len(sessions), len(want))
		}
		for _, name := range want {
			if got, err := sessions[name](t.Context()); err != nil || got != "postgres://repair@a/x" {
				t.Errorf("session to %s: %q, %v", name, got, err)
			}
		}
	}
}

// TestFilesAreRelativeToTheFile: the example keeps each secret beside itself.
func TestFilesAreRelativeToTheFile(t *testing.T) {
	c, err := load(inRepository(exampleConfig), noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(filepath.Dir(inRepository(exampleConfig)), "secrets")
	for _, name := range []string{
		c.Targets.Postgres[0].DSNFile, c.Targets.Redis[0].PasswordFile, c.Receiver.Sources[0].TokenFile, c.Receiver.Tokens[0].TokenFile,
		c.Receiver.Postgres[0].DSNFile, c.Receiver.Heartbeat.URLFile, c.Contacts[1].Slack.TokenFile,
	} {
		if filepath.Dir(name) != secrets {
			t.Errorf("%s is not in %s", name, secrets)
		}
	}
}

// TestForeignVariableCostsItsTargetOnly: DATABASE_URL may belong to another program; the host is watched all the same.
func TestForeignVariableCostsItsTargetOnly(t *testing.T) {
	c, err := load("", func(key string) string {
		return map[string]string{"DATABASE_URL": "mysql://app@db/app", "REDIS_URL": "redis://127.0.0.1:1"}[key]
	})
	if err != nil {
		t.Fatal(err)
	}
	list, ignored, err := c.targets(nil, t.TempDir(), discardLogger())
	defer closeUnused(list, nil)
	if err != nil || len(ignored) != 1 || len(list) != 1 || list[0].kind != "redis" {
		t.Errorf("%d targets, ignored %v, error %v, want redis alone", len(list), ignored, err)
	}
}

func TestWebConfigWithoutSettings(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "{}\n"} {
		if basic, certificates, err := webConfigAuth(writeConfig(t, text)); basic || certificates || err != nil {
			t.Errorf("%q: %v %v %v", text, basic, certificates, err)
		}
	}
}
