package notify

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesAreRelativeToTheConfiguration(t *testing.T) {
	c := Config{
		Global: Global{"smtp_auth_password_file": "mail", "smtp_from": "ops@example.com"},
		Contacts: []Contact{
			{Role: "oncall", Slack: &SlackBot{TokenFile: "slack", Channel: "C1"}, Integrations: map[string]any{
				"webhook_configs": []any{map[string]any{
					"url": "http://chat", "http_config": map[string]any{"authorization": map[string]any{"credentials_file": "chat"}},
				}},
				"pagerduty_configs": []any{map[string]any{"routing_key_file": "/etc/key"}},
			}},
			{Role: "dba", Email: "dba@example.com"},
		},
	}
	c.SetDirectory("/etc/chronoops")
	want := Config{
		Global: Global{"smtp_auth_password_file": "/etc/chronoops/mail", "smtp_from": "ops@example.com"},
		Contacts: []Contact{
			{Role: "oncall", Slack: &SlackBot{TokenFile: "/etc/chronoops/slack", Channel: "C1"}, Integrations: map[string]any{
				"webhook_configs": []any{map[string]any{
					"url": "http://chat", "http_config": map[string]any{"authorization": map[string]any{"credentials_file": "/etc/chronoops/chat"}},
				}},
				"pagerduty_configs": []any{map[string]any{"routing_key_file": "/etc/key"}},
			}},
			{Role: "dba", Email: "dba@example.com"},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	h := HeartbeatConfig{URLFile: "beat"}
	h.SetDirectory("/etc/chronoops")
	if h.URLFile != "/etc/chronoops/beat" {
		t.Errorf("heartbeat: %s", h.URLFile)
	}
	none := HeartbeatConfig{}
	none.SetDirectory("/etc/chronoops")
	if none.Enabled() {
		t.Error("no heartbeat became one")
	}
}
