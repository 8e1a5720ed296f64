package notify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// hostile is what an alert's labels may hold when somebody else chooses them.
const hostile = "x\x1b[31mred\x1b]0;title\x07 {{ .ExternalURL }} <!channel> <@U123> @here @everyone <https://evil.example|click> [a](https://evil.example)" +
	"</pre><script>alert(1)</script>\r\nBcc: all@example.com\r\n\r\nbody \x00\x07\u202Egnp.exe &"

func hostileNotice() receiver.Notice {
	n := notice(receiver.NoticeFiring)
	n.Title, n.Summary = hostile, strings.Repeat(hostile, 200)
	n.Facts = nil
	for i := range 50 {
		n.Facts = append(n.Facts, receiver.Fact{Name: fmt.Sprint(i, hostile), Value: strings.Repeat(hostile, 10)})
		n.Timeline = append(n.Timeline, fmt.Sprint(i, hostile))
		n.Links = append(n.Links, receiver.Link{Text: hostile, URL: "https://example.com/" + hostile}, receiver.Link{Text: "a|b>", URL: "https://example.com/?q=<!here>|x&y=1"})
	}
	n.Labels = map[string]string{"alertname": hostile, hostile: "name", "empty": ""}
	return n
}

// slackLink is one link with an inert text.
var slackLink = regexp.MustCompile(`^<https?://[^<>|]+\|[^<>|]*>\n?$`)

func TestHostileTextInSlackBot(t *testing.T) {
	api := notifytest.NewSlack(t, "xoxb-1")
	n := newNotifier(t, "contacts:\n  - {role: oncall, name: ann, slack: {bot_token: xoxb-1, channel: C1, api_url: '"+api.URL()+"'}}\n")
	outcome(t, n.Send(t.Context(), "oncall/ann/slackbot", hostileNotice()), receiver.SendDelivered, "") // within Slack's limits
	m := notifytest.Take(t, api)
	mustLack(t, m.Text, "<", "@here", "@everyone", "\x1b", "\x00", "\u202E", "\n")
	var blocks []struct {
		BlockID string `json:"block_id"`
		Text    struct{ Type, Text string }
	}
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, b := range blocks {
		if b.Text.Type != "mrkdwn" {
			continue
		}
		marked++
		for link := range strings.Lines(b.Text.Text) {
			if !slackLink.MatchString(link) {
				t.Errorf("block %s: %q is not one harmless link", b.BlockID, link)
			}
		}
	}
	if marked != 1 {
		t.Errorf("%d blocks in which Slack reads markup, want only the links", marked)
	}
}

func TestHostileTextInSlackWebhook(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	n := newNotifier(t, fmt.Sprintf(`
contacts:
  - role: oncall
    name: ann
    slack_configs:
      - api_url: '%s/x'
        channel: '#ops'
        pretext: '{{ .GroupLabels.alertname }} {{ .CommonAnnotations.summary }}'
`, sink.URL()))
	outcome(t, n.Send(t.Context(), "oncall/ann/slack", hostileNotice()), receiver.SendDelivered, "")
	r := notifytest.Take(t, sink)
	var body struct {
		Attachments []struct{ Title, Text, Pretext, Fallback string }
	}
	if err := r.Decode(&body); err != nil {
		t.Fatal(err)
	}
	a := body.Attachments[0]
	for _, text := range []string{a.Title, a.Text, a.Pretext, a.Fallback} {
		mustLack(t, text, "<!", "<@", "<http", "@here", "@everyone", "\x1b", "\x00", "\u202E", "](")
		mustContain(t, text, "{{ .ExternalURL }}") // shown, not executed
	}
}

func TestHostileTextInEmail(t *testing.T) {
	server := notifytest.NewSMTP(t, notifytest.SMTPOptions{})
	n := newNotifier(t, mailConfig(server.Addr(), "x"))
	outcome(t, n.Send(t.Context(), "oncall/ann/email", hostileNotice()), receiver.SendDelivered, "")
	m := notifytest.Take(t, server)
	p, err := m.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.To) != 1 || p.Header.Get("Bcc") != "" {
		t.Errorf("recipients %q, Bcc %q", m.To, p.Header.Get("Bcc"))
	}
	mustLack(t, p.HTML, "<script", "\x1b", "\x00", "\u202E")
	mustContain(t, p.HTML, "&lt;script&gt;")
	mustLack(t, p.Text, "\x1b", "\x00", "\u202E")
}

func TestHostileTextInTelegram(t *testing.T) {
	a := alert(hostileNotice(), "telegram")
	tmpl, err := newTemplate(nil)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.ExternalURL = &url.URL{}
	data := tmpl.Data("a", nil, nil, "", a)
	text, err := tmpl.ExecuteHTMLString(`{{ template "telegram.default.message" . }}`, data)
	if err != nil {
		t.Fatal(err)
	}
	if n := utf8.RuneCountInString(text); n > 4096 {
		t.Errorf("%d characters, Telegram takes 4096", n)
	}
	mustLack(t, text, "<script", "<!", "@here")
}

func TestHarmlessPerKind(t *testing.T) {
	const text = "a < b && c > d @channel ops@example.com <@U1> [x](https://e)"
	for kind, want := range map[string]string{
		"slack":   "a &lt; b &amp;&amp; c &gt; d @\u200bchannel ops@example.com &lt;@U1&gt; [x] (https://e)",
		"discord": "a < b && c > d @\u200bchannel ops@example.com <\u200b@U1> [x] (https://e)",
		"webhook": text,
		"email":   text,
	} {
		if got := harmless(kind)(text); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestWebURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://ops.example.com/incidents/42": "https://ops.example.com/incidents/42",
		"javascript:alert(1)":                  "",
		"data:text/html,x":                     "",
		"//example.com":                        "",
		"https://user:password@example.com/":   "",
		"https://example.com/a b|c":            "https://example.com/a%20b%7Cc",
		"https://" + strings.Repeat("a", 2000): "",
	} {
		if got := webURL(in); got != want {
			t.Errorf("webURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzBounded(f *testing.F) {
	f.Add(hostile, "https://example.com/")
	f.Add("\x1b[", "http://[::1]:80/")
	f.Add(strings.Repeat("é", 5000), "")
	f.Fuzz(func(t *testing.T, text, link string) {
		n := bounded(receiver.Notice{
			Kind: receiver.NoticeFiring, Title: text, Summary: text, Labels: map[string]string{text: text},
			Facts: []receiver.Fact{{Name: text, Value: text}}, Links: []receiver.Link{{Text: text, URL: link}}, Timeline: []string{text},
		})
		for _, s := range []string{subject(n), body(n)} {
			if !utf8.ValidString(s) || strings.ContainsFunc(strings.ReplaceAll(s, "\n", ""), unicode.IsControl) {
				t.Errorf("%q is not plain text", s)
			}
		}
		if utf8.RuneCountInString(subject(n)) > 150 || strings.Contains(subject(n), "\n") {
			t.Errorf("subject %q", subject(n))
		}
		if len(n.Links) > 0 && strings.ContainsAny(n.Links[0].URL, "<>|\"' ") {
			t.Errorf("link %q", n.Links[0].URL)
		}
		inert := harmless("slack")(text)
		if strings.ContainsAny(inert, "<>") {
			t.Errorf("Slack would read markup in %q", inert)
		}
	})
}
