package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// pages are sent over each kind of channel: firing, the marked repeat of it, resolved.
func pages() []receiver.Notice {
	repeat := notice(receiver.NoticeFiring)
	repeat.Repeated = true
	return []receiver.Notice{notice(receiver.NoticeFiring), repeat, notice(receiver.NoticeResolved)}
}

func TestWebhookChannel(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, fmt.Sprintf(`
contacts:
  - {role: oncall, name: ann, webhook_configs: [{url: '%s/hook'}]}
`, sink.URL()))
	for _, page := range pages() {
		outcome(t, n.Send(t.Context(), "oncall/ann/webhook", page), receiver.SendDelivered, "")
		r := notifytest.Take(t, sink)
		if got := r.Header.Get("User-Agent"); got != "chronoops/1.2.3" {
			t.Errorf("User-Agent %q", got)
		}
		var body struct {
			Version, Status, GroupKey, ExternalURL, Receiver string
			GroupLabels                                      map[string]string
			Alerts                                           []struct {
				Status              string
				Labels, Annotations map[string]string
			}
		}
		if err := r.Decode(&body); err != nil {
			t.Fatal(err)
		}
		status := "firing"
		if page.Kind.Closes() {
			status = "resolved"
		}
		if body.Version != "4" || body.Status != status || body.Alerts[0].Status != status || body.GroupKey != "chronoops/web1/incident/42/1740823200" ||
			body.ExternalURL != "https://ops.example.com" || body.Receiver != "oncall/ann" {
			t.Errorf("message %+v", body)
		}
		if d := cmp.Diff(page.Labels, body.GroupLabels); d != "" {
			t.Errorf("group labels (-want +got):\n%s", d)
		}
		a := body.Alerts[0]
		if a.Annotations["title"] != subject(page) || a.Annotations["page"] != page.ID ||
			a.Annotations["repeated"] != strconv.FormatBool(page.Repeated) || a.Labels["priority"] != "P0" || a.Labels["incident"] != "42" {
			t.Errorf("alert %+v", a)
		}
		mustLack(t, strings.ToLower(string(r.Body)), "alertmanager")
	}
}

func TestSlackWebhookChannel(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, fmt.Sprintf(`
notifications: {slack_api_url: '%s/services/T000/B000/verysecretpath'}
contacts:
  - {role: oncall, name: ann, slack_configs: [{channel: '#ops'}]}
`, sink.URL()))
	for _, page := range pages() {
		outcome(t, n.Send(t.Context(), "oncall/ann/slack", page), receiver.SendDelivered, "")
		var body struct {
			Channel, Username string
			Attachments       []struct{ Title, Text, Color, Fallback, TitleLink string }
		}
		r := notifytest.Take(t, sink)
		if err := r.Decode(&body); err != nil {
			t.Fatal(err)
		}
		if body.Channel != "#ops" || body.Username != "chronoops" || body.Attachments[0].Title != subject(page) {
			t.Errorf("message %+v", body)
		}
		color := map[bool]string{false: "danger", true: "good"}[page.Kind.Closes()]
		if body.Attachments[0].Color != color {
			t.Errorf("colour %q, want %q", body.Attachments[0].Color, color)
		}
		if strings.Contains(body.Attachments[0].Text, repeatedText) != page.Repeated {
			t.Errorf("text %q, repeated %t", body.Attachments[0].Text, page.Repeated)
		}
		mustLack(t, strings.ToLower(string(r.Body)), "alertmanager")
	}
}

func TestPagerdutyChannel(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, fmt.Sprintf(`
contacts:
  - {role: oncall, name: ann, pagerduty_configs: [{url: '%s/v2/enqueue', routing_key: 0123456789abcdef}]}
`, sink.URL()))
	var keys []string
	for _, page := range pages() {
		outcome(t, n.Send(t.Context(), "oncall/ann/pagerduty", page), receiver.SendDelivered, "")
		var event struct {
			RoutingKey  string `json:"routing_key"`
			DedupKey    string `json:"dedup_key"`
			EventAction string `json:"event_action"`
			Client      string
			Payload     struct{ Summary, Severity string }
		}
		r := notifytest.Take(t, sink)
		if err := r.Decode(&event); err != nil {
			t.Fatal(err)
		}
		action := map[bool]string{false: "trigger", true: "resolve"}[page.Kind.Closes()]
		if event.EventAction != action || event.RoutingKey != "0123456789abcdef" || event.Client != "chronoops" ||
			event.Payload.Summary != subject(page) || event.Payload.Severity != "critical" {
			t.Errorf("event %+v", event)
		}
		keys = append(keys, event.DedupKey)
		mustLack(t, strings.ToLower(string(r.Body)), "alertmanager")
	}
	if keys[0] == "" || keys[0] != keys[2] {
		t.Errorf("firing and resolved meet at different keys: %q", keys)
	}
}

func TestEmailChannel(t *testing.T) {
	server := notifytest.NewSMTP(t, notifytest.SMTPOptions{Username: "ops", Password: "hunter2!", STARTTLS: true})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNotifier(t, fmt.Sprintf(`
notifications:
  smtp_smarthost: '%s'
  smtp_from: '值班 <ops@example.com>'
  smtp_auth_username: ops
  smtp_auth_password: hunter2!
  smtp_tls_config: {ca_file: '%s'}
contacts:
  - {role: 运维工程师, name: 林二, email: lin.er@example.com}
`, server.Addr(), ca))
	var ids []string
	for i, page := range pages() {
		outcome(t, n.Send(t.Context(), "运维工程师/林二/email", page), receiver.SendDelivered, "")
		m := notifytest.Take(t, server)
		if m.From != "ops@example.com" || len(m.To) != 1 || m.To[0] != "lin.er@example.com" {
			t.Errorf("envelope %q → %q", m.From, m.To)
		}
		p, err := m.Parse()
		if err != nil {
			t.Fatal(err)
		}
		from, err := p.Header.AddressList("From")
		if err != nil || from[0].Name != "值班" {
			t.Errorf("From %v, %v", from, err)
		}
		if got := p.Header.Get("Subject"); got != subject(page) {
			t.Errorf("Subject %q", got)
		}
		mustContain(t, p.HTML, "<h2", "https://ops.example.com/incidents/42?a=1&amp;b=2")
		mustLack(t, strings.ToLower(string(m.Data)), "alertmanager")
		golden(t, []string{"email_firing.txt", "email_repeat.txt", "email_resolved.txt"}[i], p.Text)
		ids = append(ids, p.Header.Get("Message-Id"))
	}
	// Numbers begin again with a new store; a mail program must not take the new page for the old one.
	again := notice(receiver.NoticeFiring)
	again.Since = again.Since.Add(24 * time.Hour)
	outcome(t, n.Send(t.Context(), "运维工程师/林二/email", again), receiver.SendDelivered, "")
	p, err := notifytest.Take(t, server).Parse()
	if err != nil {
		t.Fatal(err)
	}
	if p.Header.Get("Message-Id") == ids[0] {
		t.Error("pages of the same number in two stores share a Message-Id")
	}
	if ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("a repeat must have its page's Message-Id, another page its own: %q", ids)
	}
}

func TestSlackBotChannel(t *testing.T) {
	api := notifytest.NewSlack(t, "xoxb-1-secret")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("xoxb-1-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNotifier(t, fmt.Sprintf(`
contacts:
  - {role: oncall, name: ann, slack: {bot_token_file: '%s', channel: C0123, api_url: '%s'}}
`, token, api.URL()))
	const id = "oncall/ann/slackbot"
	var root string
	for i, page := range pages() {
		outcome(t, n.Send(t.Context(), id, page), receiver.SendDelivered, "")
		m := notifytest.Take(t, api)
		if i == 0 {
			root = m.TS
			golden(t, "slack_blocks.json", indent(t, m.Blocks))
		} else if m.ThreadTS != root {
			t.Errorf("page %d is in thread %q, want %q", i, m.ThreadTS, root)
		}
		if m.Channel != "C0123" || m.Text != subject(page) || m.Broadcast != (i == 1) {
			t.Errorf("message %+v", m)
		}
		mustContain(t, string(m.Metadata), `"chronoops_page"`, `"page":"`+page.ID+`"`)
		if strings.Contains(string(m.Blocks), repeatedText) != page.Repeated {
			t.Errorf("blocks %s, repeated %t", m.Blocks, page.Repeated)
		}
	}
	// The first message is gone: the next page opens a thread of its own.
	api.Forget(root)
	outcome(t, n.Send(t.Context(), id, notice(receiver.NoticeFiring)), receiver.SendDelivered, "")
	if m := notifytest.Take(t, api); m.ThreadTS != "" || m.TS == root {
		t.Errorf("message %+v", m)
	}
	// Another incident and a notice about none stay out of it.
	other := notice(receiver.NoticeFiring)
	other.Incident = 43
	outcome(t, n.Send(t.Context(), id, other), receiver.SendDelivered, "")
	if m := notifytest.Take(t, api); m.ThreadTS != "" {
		t.Errorf("message %+v", m)
	}
	test := receiver.Notice{ID: "t", Kind: receiver.NoticeTest, Title: "Can you read this?"}
	outcome(t, n.Send(t.Context(), id, test), receiver.SendDelivered, "")
	if m := notifytest.Take(t, api); m.Text != "TEST: Can you read this?" || m.ThreadTS != "" {
		t.Errorf("message %+v", m)
	}
}

// TestSendResolvedFalse: a channel that does not want to hear the end is left alone, and that is no failure.
func TestSendResolvedFalse(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, fmt.Sprintf(`
contacts:
  - {role: oncall, name: ann, webhook_configs: [{url: '%s/hook', send_resolved: false}]}
`, sink.URL()))
	if c := n.Channels("oncall"); len(c) != 1 || c[0].Resolved {
		t.Errorf("channels %+v", c)
	}
	for _, kind := range []receiver.NoticeKind{receiver.NoticeResolved, receiver.NoticeRepaired} {
		outcome(t, n.Send(t.Context(), "oncall/ann/webhook", notice(kind)), receiver.SendUnwanted, "unwanted")
	}
	outcome(t, n.Send(t.Context(), "oncall/ann/webhook", notice(receiver.NoticeFiring)), receiver.SendDelivered, "")
	notifytest.Take(t, sink)
}

// TestClockAhead: the store's clock may be ahead of ours, and Alertmanager judges by ours whether an alert is over.
func TestClockAhead(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, "contacts: [{role: oncall, name: ann, webhook_configs: [{url: '"+sink.URL()+"'}]}]")
	page := notice(receiver.NoticeResolved)
	page.Now = time.Now().Add(time.Hour)
	outcome(t, n.Send(t.Context(), "oncall/ann/webhook", page), receiver.SendDelivered, "")
	var body struct{ Status string }
	if r := notifytest.Take(t, sink); r.Decode(&body) != nil || body.Status != "resolved" {
		t.Errorf("status %q of %s", body.Status, r.Body)
	}
}

// TestConnectionPerPage: a kept connection that the other side has closed meanwhile would look like a lost page.
func TestConnectionPerPage(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "ok")
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	n := newNotifier(t, "contacts: [{role: oncall, name: ann, webhook_configs: [{url: '"+server.URL+"'}]}]")
	for range 3 {
		outcome(t, n.Send(t.Context(), "oncall/ann/webhook", notice(receiver.NoticeFiring)), receiver.SendDelivered, "")
	}
	if got := opened.Load(); got != 3 {
		t.Errorf("%d connections for 3 pages", got)
	}
}

func indent(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}
