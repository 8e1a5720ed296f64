package notify

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/template"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/receiver"
)

func TestContactFileLoadsUnchanged(t *testing.T) {
	text, err := os.ReadFile("testdata/contacts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Alone it names addresses but no mail server: it loads, and the check says what is missing.
	n := newNotifier(t, string(text))
	if err := n.CheckRole("运维工程师"); err == nil || !strings.Contains(err.Error(), "notifications.smtp_smarthost") {
		t.Errorf("CheckRole without a mail server: %v", err)
	}
	n = newNotifier(t, "notifications: {smtp_smarthost: 'mail:25', smtp_from: ops@example.com}\n"+string(text))
	for role, want := range map[string][]string{
		"运维工程师":    {"运维工程师/林二/email"},
		"技术负责人":    {"技术负责人/陈一/email"},
		"所有人":      {"技术负责人/陈一/email", "运维工程师/林二/email", "数据库管理员/吴三/email"},
		"everyone": {"技术负责人/陈一/email", "运维工程师/林二/email", "数据库管理员/吴三/email"},
	} {
		if err := n.CheckRole(role); err != nil {
			t.Errorf("CheckRole(%s): %v", role, err)
		}
		var got []string
		for _, c := range n.Channels(role) {
			got = append(got, c.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", role, d)
		}
	}
	err = n.CheckRole("老板")
	if err == nil {
		t.Fatal("a role that nobody has passed")
	}
	mustContain(t, err.Error(), `"老板"`, "技术负责人", "所有人")
	if d := cmp.Diff([]string{"技术负责人", "运维工程师", "数据库管理员"}, n.Roles()); d != "" {
		t.Errorf("roles (-want +got):\n%s", d)
	}
}

func TestChannels(t *testing.T) {
	n := newNotifier(t, `
notifications: {smtp_smarthost: 'mail:25', smtp_from: ops@example.com}
contacts:
  - role: oncall
    name: ann
    email: ann@example.com
    email_configs: [{to: pager@example.com}]
    webhook_configs: [{url: http://a.example/x}, {url: http://b.example/x, send_resolved: false}]
  - {role: oncall, email: bob@example.com}
  - {role: lead, name: ann, email: ann@example.com}
  - {role: lead, phone: 13800000000, slack: {bot_token: xoxb-1, channel: C1}}
`)
	got := n.Channels("oncall")
	want := []Channel{
		{ID: "oncall/ann/email", Role: "oncall", Person: "ann", Kind: "email", Resolved: true},
		{ID: "oncall/ann/email-2", Role: "oncall", Person: "ann", Kind: "email", Resolved: true},
		{ID: "oncall/ann/webhook", Role: "oncall", Person: "ann", Kind: "webhook", Resolved: true},
		{ID: "oncall/ann/webhook-2", Role: "oncall", Person: "ann", Kind: "webhook"},
		{ID: "oncall/bob@example.com/email", Role: "oncall", Person: "bob@example.com", Kind: "email", Resolved: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// Ann is reached once, though she has two roles.
	if all := n.Channels("everyone"); len(all) != 6 || all[5].ID != "lead/-/slackbot" {
		t.Errorf("everyone: %+v", all)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no role":         {"contacts: [{name: ann, email: ann@example.com}]", []string{"no role", "role: oncall"}},
		"reserved role":   {"contacts: [{role: 所有人, email: ann@example.com}]", []string{"stands for all contacts"}},
		"bad address":     {"contacts: [{role: a, email: ann}]", []string{"a/ann", "someone@example.com"}},
		"unknown key":     {"contacts: [{role: a, slck_configs: []}]", []string{`"slck_configs"`, "slack_configs", "webhook_configs"}},
		"not a list":      {"contacts: [{role: a, webhook_configs: {url: http://x}}]", []string{"must be a list"}},
		"empty entry":     {"contacts: [{role: a, slack_configs: [null]}]", []string{"slack_configs[0]", "mapping"}},
		"bot without":     {"contacts: [{role: a, slack: {channel: C1}}]", []string{"bot_token_file"}},
		"bot twice":       {"contacts: [{role: a, slack: {channel: C1, bot_token: x, bot_token_file: y}}]", []string{"exactly one"}},
		"no channel":      {"contacts: [{role: a, slack: {bot_token: x}}]", []string{"channel is missing", "invite"}},
		"bot typo":        {"contacts: [{role: a, slack: {bot_token: x, chanel: C1}}]", []string{"chanel"}},
		"templated host":  {"contacts: [{role: a, webhook_configs: [{url: 'http://{{ .GroupLabels.team }}/'}]}]", []string{"webhook_configs[0]", "url", "template"}},
		"templated to":    {"contacts: [{role: a, email_configs: [{to: '{{ .GroupLabels.team }}@example.com'}]}]", []string{"to", "template"}},
		"templated team":  {"contacts: [{role: a, opsgenie_configs: [{api_key: k, responders: [{name: '{{ .GroupLabels.team }}', type: team}]}]}]", []string{"template"}},
		"bad key":         {"contacts: [{role: a, webhook_configs: [{1: x}]}]", []string{"quote it"}},
		"global typo":     {"notifications: {smtp_smarthots: x}", []string{"notifications", `"smtp_smarthots"`, "spelling"}},
		"global bad host": {"notifications: {smtp_smarthost: mail}", []string{"notifications", "port"}},
		"heartbeat":       {"heartbeat: {interval: 1m}", []string{"url_file"}},
		"heartbeat fast":  {"heartbeat: {url: http://x, interval: 10ms}", []string{"1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(c.text)
			if err == nil {
				t.Fatal("accepted")
			}
			mustContain(t, err.Error(), c.want...)
		})
	}
}

// TestContactErrors are those that only all of the configuration shows.
func TestContactErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		lack string
	}{
		"unknown setting": {"contacts: [{role: a, name: b, webhook_configs: [{ulr: http://x}]}]", []string{"contact a/b", `unknown key "ulr"`}, "line 1"},
		"no URL":          {"contacts: [{role: a, name: b, slack_configs: [{channel: '#ops'}]}]", []string{"contact a/b", "Slack API URL"}, ""},
		"bad type":        {"contacts: [{role: a, name: b, pagerduty_configs: [{routing_key: [supersecret]}]}]", []string{"contact a/b"}, "supersecret"},
		"bad URL":         {"contacts: [{role: a, name: b, slack_configs: [{api_url: 'ftp//supersecret'}]}]", []string{"contact a/b"}, "supersecret"},
		"twice":           {"contacts: [{role: a, slack: {bot_token: x, channel: C1}}, {role: a, slack: {bot_token: x, channel: C2}}]", []string{"listed twice", "name"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := load(c.text)
			if err != nil {
				t.Fatalf("load: %v", err)
			}
			_, err = New(Options{Config: f.Config})
			if err == nil {
				t.Fatal("accepted")
			}
			mustContain(t, err.Error(), c.want...)
			if c.lack != "" {
				mustLack(t, err.Error(), c.lack)
			}
		})
	}
}

func TestCheckRoleReadsCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	n := newNotifier(t, "contacts: [{role: a, name: b, slack: {bot_token_file: '"+token+"', channel: C1}}]")
	if err := n.CheckRole("a"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{"": "is empty", "{{ x }}": "template", "xoxb-1\n": ""} {
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := n.CheckRole("a")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("file %q: %v, want %q", text, err, want)
		}
	}
	// Another channel that works is enough.
	n = newNotifier(t, "contacts: [{role: a, name: b, webhook_configs: [{url: 'http://x/'}], slack: {bot_token_file: /nowhere, channel: C1}}]")
	if err := n.CheckRole("a"); err != nil {
		t.Error(err)
	}
}

// TestValuesReachTheLoaderUnchanged: what is hard to write in YAML arrives as it was.
func TestValuesReachTheLoaderUnchanged(t *testing.T) {
	for _, secret := range []string{`a"b\c'd`, "p<&>s", "中文 密码", "a: b # c", "\u2028x", "{{not a template", "0123", "true", "😀"} {
		text, err := yaml.Dump(map[string]any{"notifications": map[string]any{"smtp_auth_password": secret}})
		if err != nil {
			t.Fatal(err)
		}
		f, err := load(string(text))
		if err != nil {
			t.Fatalf("%q: %v", secret, err)
		}
		rcv, err := loadReceiver(f.Global, "x", map[string]any{"email_configs": []any{map[string]any{"to": "a@b.c", "smarthost": "m:25", "from": "a@b.c"}}})
		if err != nil {
			t.Fatalf("%q: %v", secret, err)
		}
		if got := string(rcv.EmailConfigs[0].AuthPassword); got != secret {
			t.Errorf("%q arrived as %q", secret, got)
		}
	}
}

func TestLoopsAreRefused(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	urlFile := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(urlFile, []byte("http://127.0.0.1:9847/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := []string{":9847", "127.0.0.1:9999", "https://ops.example.com"}
	for target, loop := range map[string]bool{
		"http://127.0.0.1:9847/api/v1/alerts":    true,
		"http://localhost:9847/":                 true,
		"http://[::1]:9847/x":                    true,
		"http://" + hostname + ":9847/x":         true,
		"http://127.0.0.1:9999/":                 true,
		"http://localhost:9999/":                 true,
		"https://ops.example.com/api/v1/alerts":  true,
		"https://OPS.example.com:443/x":          true,
		"http://127.0.0.1:9093/":                 false,
		"https://hooks.example.com/x":            false,
		"http://other.example.com:9847/":         false,
		"https://ops.example.com:8443/elsewhere": false,
	} {
		n := newNotifier(t, "contacts: [{role: a, name: b, webhook_configs: [{url: '"+target+"'}]}]")
		err := n.Validate(own)
		if (err != nil) != loop {
			t.Errorf("%s: %v", target, err)
		}
		if err != nil {
			mustContain(t, err.Error(), "a/b", "our own address")
		}
	}
	for _, text := range []string{
		"contacts: [{role: a, webhook_configs: [{url_file: '" + urlFile + "'}]}]",
		"contacts: [{role: a, discord_configs: [{webhook_url: 'http://localhost:9847/x'}]}]",
		"notifications: {slack_api_url: 'http://localhost:9847/x'}\ncontacts: [{role: a, slack_configs: [{channel: C}]}]",
		"contacts: [{role: a, slack: {bot_token: x, channel: C1, api_url: 'http://localhost:9847'}}]",
	} {
		if err := newNotifier(t, text).Validate(own); err == nil {
			t.Errorf("accepted: %s", text)
		}
	}
	n := newNotifier(t, "contacts: [{role: a, pagerduty_configs: [{routing_key: abc, client_url: 'http://localhost:9847/'}]}]")
	if err := n.Validate(own); err != nil {
		t.Errorf("a link for people is no loop: %v", err)
	}
}

// TestEveryDefaultTextIsOurs: each template that Alertmanager's default settings refer to exists here, and none speaks
// of Alertmanager. It fails when an update brings new ones.
func TestEveryDefaultTextIsOurs(t *testing.T) {
	var texts []string
	for _, block := range []string{
		"discord_configs: [{webhook_url: 'http://x/'}]", "email_configs: [{to: a@b.c, smarthost: 'm:25', from: a@b.c}]",
		"incidentio_configs: [{url: 'http://x/', alert_source_token: x}]", "pagerduty_configs: [{routing_key: x}]",
		"slack_configs: [{api_url: 'http://x/'}]", "webhook_configs: [{url: 'http://x/'}]", "opsgenie_configs: [{api_key: x}]",
		"wechat_configs: [{api_secret: x, corp_id: x}]", "pushover_configs: [{user_key: x, token: x}]",
		"victorops_configs: [{api_key: x, routing_key: x}]", "sns_configs: [{topic_arn: x, sigv4: {region: eu-west-1, access_key: a, secret_key: b}}]",
		"telegram_configs: [{bot_token: x, chat_id: 1}]", "webex_configs: [{room_id: x, http_config: {authorization: {credentials: x}}}]",
		"msteams_configs: [{webhook_url: 'http://x/'}]", "msteamsv2_configs: [{webhook_url: 'http://x/'}]",
		"jira_configs: [{api_url: 'http://x/', project: x, issue_type: x}]", "rocketchat_configs: [{token: x, token_id: x}]",
		"mattermost_configs: [{webhook_url: 'http://x/'}]",
	} {
		f, err := load("contacts: [{role: a, name: b, " + block + "}]")
		if err != nil {
			t.Fatalf("%s: %v", block, err)
		}
		if _, err := New(Options{Config: f.Config}); err != nil {
			t.Errorf("%s: %v", block, err)
		}
		rcv, err := loadReceiver(nil, "x", f.Contacts[0].Integrations)
		if err != nil {
			t.Fatalf("%s: %v", block, err)
		}
		texts = append(texts, templatesIn(reflect.ValueOf(*rcv), 0)...)
	}
	texts = append(texts, config.DefaultEmailSubject)
	if len(texts) < 40 {
		t.Fatalf("only %d texts found", len(texts))
	}
	tmpl, err := newTemplate(&url.URL{Scheme: "https", Host: "ops.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	data := tmpl.Data("a/b", nil, nil, "", alert(notice(receiver.NoticeFiring), "webhook"))
	template.MarkRouteLabelsRendered(data)
	for _, text := range texts {
		out, err := tmpl.ExecuteTextString(text, data)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		mustLack(t, strings.ToLower(out), "alertmanager")
	}
	keys := integrationKeys()
	if len(keys) != 18 {
		t.Errorf("%d kinds of integrations, the list above has 18: %q", len(keys), keys)
	}
}

// templatesIn collects the template texts of loaded settings.
func templatesIn(v reflect.Value, depth int) []string {
	var found []string
	if depth > 8 {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if strings.Contains(v.String(), "{{") {
			found = append(found, v.String())
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			found = append(found, templatesIn(v.Elem(), depth+1)...)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			found = append(found, templatesIn(field, depth+1)...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			found = append(found, templatesIn(v.Index(i), depth+1)...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			found = append(found, templatesIn(v.MapIndex(key), depth+1)...)
		}
	default: // numbers and switches hold no text
	}
	return found
}

func TestRedactedConfig(t *testing.T) {
	f, err := load(fmt.Sprintf(`
notifications: {smtp_smarthost: 'mail:25', smtp_from: ops@example.com, smtp_auth_password: %[1]s-1, slack_api_url: 'https://hooks.slack.com/services/%[1]s-2'}
contacts:
  - role: oncall
    name: ann
    email: ann@example.com
    slack: {bot_token: xoxb-%[1]s-3, channel: C1}
    webhook_configs: [{url: 'https://x.example/%[1]s-4', http_config: {basic_auth: {username: u, password: %[1]s-5}}, payload: {key: %[1]s-6}}]
heartbeat: {url: 'https://hc.example/%[1]s-7'}
`, "supersecret"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := yaml.Dump(f)
	if err != nil {
		t.Fatal(err)
	}
	mustLack(t, string(out), "supersecret", "xoxb")
	mustContain(t, string(out), "mail:25", "ann@example.com", "oncall", hidden, "webhook_configs")
}
