package notify

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// freePort is an address on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func short(d time.Duration) func(*Options) { return func(o *Options) { o.Timeout = d } }

// httpKinds builds one channel of a kind that posts to a URL.
func httpKinds() map[string]string {
	return map[string]string{
		"webhook":    "webhook_configs: [{url: '%s/hook'}]",
		"slack":      "slack_configs: [{api_url: '%s/services/x', channel: '#ops'}]",
		"pagerduty":  "pagerduty_configs: [{url: '%s/v2/enqueue', routing_key: 0123456789abcdef}]",
		"discord":    "discord_configs: [{webhook_url: '%s/api/webhooks/x'}]",
		"mattermost": "mattermost_configs: [{webhook_url: '%s/hooks/x', channel: ops}]",
		"opsgenie":   "opsgenie_configs: [{api_url: '%s/', api_key: 0123456789}]",
	}
}

func TestHTTPOutcomes(t *testing.T) {
	cases := []struct {
		name    string
		fault   notifytest.Fault
		want    receiver.SendOutcome
		reason  string
		arrives bool
	}{
		{name: "fine", want: receiver.SendDelivered, arrives: true},
		{name: "rate limit", fault: notifytest.Fault{Status: 429}, want: receiver.SendRetry, reason: "rate_limited"},
		{name: "server error", fault: notifytest.Fault{Status: 500}, want: receiver.SendRetry, reason: "server_error"},
		{name: "maintenance", fault: notifytest.Fault{Status: 503}, want: receiver.SendRetry, reason: "server_error"},
		{name: "gateway gave up waiting", fault: notifytest.Fault{Status: 504}, want: receiver.SendUnknown, reason: "server_error"},
		{name: "bad request", fault: notifytest.Fault{Status: 400}, want: receiver.SendRefused, reason: "client_error"},
		{name: "bad credential", fault: notifytest.Fault{Status: 401}, want: receiver.SendRefused, reason: "auth"},
		{name: "gone", fault: notifytest.Fault{Status: 404}, want: receiver.SendRefused, reason: "client_error"},
		{name: "accepted, then dropped", fault: notifytest.Fault{Drop: true}, want: receiver.SendUnknown, reason: "lost", arrives: true},
		{name: "accepted, then silent", fault: notifytest.Fault{Hang: true}, want: receiver.SendUnknown, reason: "timeout", arrives: true},
	}
	for kind, block := range httpKinds() {
		t.Run(kind, func(t *testing.T) {
			sink := notifytest.NewWebhook(t)
			text := "contacts:\n  - {role: oncall, name: ann, " + fmt.Sprintf(block, sink.URL()) + "}\n"
			n := newNotifier(t, text)
			impatient := newNotifier(t, text, short(300*time.Millisecond))
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					sink.Fail(c.fault)
					sender := n
					if c.fault.Hang {
						sender = impatient
					}
					outcome(t, sender.Send(t.Context(), "oncall/ann/"+kind, notice(receiver.NoticeFiring)), c.want, c.reason)
					if c.arrives {
						notifytest.Take(t, sink)
					}
				})
			}
			t.Run("nobody listens", func(t *testing.T) {
				n := newNotifier(t, "contacts:\n  - {role: oncall, name: ann, "+fmt.Sprintf(block, "http://"+freePort(t))+"}\n")
				outcome(t, n.Send(t.Context(), "oncall/ann/"+kind, notice(receiver.NoticeFiring)), receiver.SendRetry, "connect")
			})
			t.Run("cancelled before", func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if got := receiver.OutcomeOf(n.Send(ctx, "oncall/ann/"+kind, notice(receiver.NoticeFiring))); got != receiver.SendRetry {
					t.Errorf("outcome %s", got)
				}
			})
		})
	}
}

// TestUntrustedCertificate: retrying cannot help, and nothing was told to a stranger.
func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request reached a server that is not trusted")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	n := newNotifier(t, "contacts:\n  - {role: oncall, name: ann, webhook_configs: [{url: '"+server.URL+"/x'}]}\n")
	outcome(t, n.Send(t.Context(), "oncall/ann/webhook", notice(receiver.NoticeFiring)), receiver.SendRefused, "tls")
}

// TestSilentListener: a connection without any answer, as of a host whose program hangs.
func TestSilentListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNotifier(t, fmt.Sprintf(`
notifications: {smtp_smarthost: '%[1]s', smtp_from: a@example.com, smtp_require_tls: false}
contacts:
  - {role: oncall, name: ann, email: ann@example.com, webhook_configs: [{url: 'https://%[1]s/x'}], slack: {bot_token: xoxb-1, channel: C1, api_url: 'https://%[1]s/'}}
`, l.Addr()), short(200*time.Millisecond))
	for _, kind := range []string{"email", "webhook", "slackbot"} {
		outcome(t, n.Send(t.Context(), "oncall/ann/"+kind, notice(receiver.NoticeFiring)), receiver.SendRetry, "timeout")
	}
}

func TestSlackBotOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   notifytest.Fault
		want    receiver.SendOutcome
		reason  string
		after   time.Duration
		arrives bool
	}{
		{name: "rate limit", fault: notifytest.Fault{Status: 429, RetryAfter: 30 * time.Second}, want: receiver.SendRetry, reason: "rate_limited", after: 30 * time.Second},
		{name: "rate limit without a time", fault: notifytest.Fault{Status: 429}, want: receiver.SendRetry, reason: "rate_limited"},
		{name: "server error", fault: notifytest.Fault{Status: 500}, want: receiver.SendRetry, reason: "server_error"},
		{name: "redirected", fault: notifytest.Fault{Status: 302}, want: receiver.SendRefused, reason: "client_error"},
		{name: "bad token", fault: notifytest.Fault{Body: `{"ok":false,"error":"invalid_auth"}`}, want: receiver.SendRefused, reason: "auth"},
		{name: "not invited", fault: notifytest.Fault{Body: `{"ok":false,"error":"not_in_channel"}`}, want: receiver.SendRefused, reason: "client_error"},
		{name: "may have worked", fault: notifytest.Fault{Body: `{"ok":false,"error":"fatal_error"}`}, want: receiver.SendUnknown, reason: "server_error"},
		{name: "down", fault: notifytest.Fault{Body: `{"ok":false,"error":"service_unavailable"}`}, want: receiver.SendRetry, reason: "server_error"},
		{name: "not JSON", fault: notifytest.Fault{Body: `<html>`}, want: receiver.SendUnknown, reason: "response"},
		{name: "accepted, then dropped", fault: notifytest.Fault{Drop: true}, want: receiver.SendUnknown, reason: "lost", arrives: true},
		{name: "accepted, then silent", fault: notifytest.Fault{Hang: true}, want: receiver.SendUnknown, reason: "timeout", arrives: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := notifytest.NewSlack(t, "xoxb-1-secret")
			timeout := 5 * time.Second
			if c.fault.Hang {
				timeout = 300 * time.Millisecond
			}
			n := newNotifier(t, "contacts:\n  - {role: oncall, name: ann, slack: {bot_token: xoxb-1-secret, channel: C1, api_url: '"+api.URL()+"'}}\n", short(timeout))
			api.Fail(c.fault)
			e := outcome(t, n.Send(t.Context(), "oncall/ann/slackbot", notice(receiver.NoticeFiring)), c.want, c.reason)
			if e.RetryAfter != c.after {
				t.Errorf("retry after %s, want %s", e.RetryAfter, c.after)
			}
			if c.arrives {
				notifytest.Take(t, api)
			}
		})
	}
	t.Run("wrong token", func(t *testing.T) {
		api := notifytest.NewSlack(t, "xoxb-1-secret")
		n := newNotifier(t, "contacts:\n  - {role: oncall, name: ann, slack: {bot_token: xoxb-2, channel: C1, api_url: '"+api.URL()+"'}}\n")
		outcome(t, n.Send(t.Context(), "oncall/ann/slackbot", notice(receiver.NoticeFiring)), receiver.SendRefused, "auth")
	})
}

func TestEmailOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   notifytest.SMTPFault
		want    receiver.SendOutcome
		reason  string
		arrives bool
	}{
		{name: "fine", want: receiver.SendDelivered, arrives: true},
		{name: "busy", fault: notifytest.SMTPFault{At: notifytest.StageGreeting, Code: 421}, want: receiver.SendRetry, reason: "server_error"},
		{name: "cut at the greeting", fault: notifytest.SMTPFault{At: notifytest.StageGreeting, Drop: true}, want: receiver.SendRetry, reason: "connect"},
		{name: "silent at the greeting", fault: notifytest.SMTPFault{At: notifytest.StageGreeting, Hang: true}, want: receiver.SendRetry, reason: "timeout"},
		{name: "login refused", fault: notifytest.SMTPFault{At: notifytest.StageAuth, Code: 535}, want: receiver.SendRefused, reason: "auth"},
		{name: "sender refused", fault: notifytest.SMTPFault{At: notifytest.StageMail, Code: 550}, want: receiver.SendRefused, reason: "client_error"},
		{name: "greylisted", fault: notifytest.SMTPFault{At: notifytest.StageRcpt, Code: 451}, want: receiver.SendRetry, reason: "server_error"},
		{name: "recipient unknown", fault: notifytest.SMTPFault{At: notifytest.StageRcpt, Code: 550}, want: receiver.SendRefused, reason: "client_error"},
		{name: "cut before the message", fault: notifytest.SMTPFault{At: notifytest.StageData, Drop: true}, want: receiver.SendRetry, reason: "connect"},
		{name: "message refused", fault: notifytest.SMTPFault{At: notifytest.StageEnd, Code: 554}, want: receiver.SendRefused, reason: "client_error"},
		{name: "mailbox full for now", fault: notifytest.SMTPFault{At: notifytest.StageEnd, Code: 452}, want: receiver.SendRetry, reason: "server_error"},
		{name: "accepted, then cut", fault: notifytest.SMTPFault{At: notifytest.StageEnd, Drop: true}, want: receiver.SendUnknown, reason: "lost", arrives: true},
		{name: "accepted, then silent", fault: notifytest.SMTPFault{At: notifytest.StageEnd, Hang: true}, want: receiver.SendUnknown, reason: "timeout", arrives: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := notifytest.NewSMTP(t, notifytest.SMTPOptions{Username: "ops", Password: "hunter2!"})
			timeout := 5 * time.Second
			if c.fault.Hang {
				timeout = 300 * time.Millisecond
			}
			n := newNotifier(t, mailConfig(server.Addr(), "hunter2!"), short(timeout))
			if c.fault.At != "" {
				server.Fail(c.fault)
			}
			outcome(t, n.Send(t.Context(), "oncall/ann/email", notice(receiver.NoticeFiring)), c.want, c.reason)
			if c.arrives {
				notifytest.Take(t, server)
			}
		})
	}
	t.Run("one of two recipients", func(t *testing.T) {
		server := notifytest.NewSMTP(t, notifytest.SMTPOptions{})
		server.Fail(notifytest.SMTPFault{At: notifytest.StageRcpt, Code: 550})
		n := newNotifier(t, strings.Replace(mailConfig(server.Addr(), "x"), "ann@example.com", "'gone@example.com, ann@example.com'", 1))
		outcome(t, n.Send(t.Context(), "oncall/ann/email", notice(receiver.NoticeFiring)), receiver.SendDelivered, "")
		if m := notifytest.Take(t, server); len(m.To) != 1 || m.To[0] != "ann@example.com" {
			t.Errorf("sent to %q", m.To)
		}
	})
	t.Run("no TLS where it is required", func(t *testing.T) {
		server := notifytest.NewSMTP(t, notifytest.SMTPOptions{})
		n := newNotifier(t, strings.Replace(mailConfig(server.Addr(), "x"), "smtp_require_tls: false", "smtp_require_tls: true", 1))
		e := outcome(t, n.Send(t.Context(), "oncall/ann/email", notice(receiver.NoticeFiring)), receiver.SendRefused, "config")
		mustContain(t, e.Error(), "smtp_require_tls: false")
	})
}

func mailConfig(addr, password string) string {
	return fmt.Sprintf(`
notifications: {smtp_smarthost: '%s', smtp_from: ops@example.com, smtp_require_tls: false, smtp_auth_username: ops, smtp_auth_password: '%s'}
contacts:
  - {role: oncall, name: ann, email: ann@example.com}
`, addr, password)
}

// TestTelegramOutcomes: the integration obeys no context and hides its requests, but its words are known.
func TestTelegramOutcomes(t *testing.T) {
	var answer func(w http.ResponseWriter)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w)
	}))
	defer server.Close()
	config := "contacts:\n  - {role: oncall, name: ann, telegram_configs: [{api_url: '%s', bot_token: '123:telegramsecret', chat_id: -1001234567890}]}\n"
	n := newNotifier(t, fmt.Sprintf(config, server.URL))
	reply := func(code int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   receiver.SendOutcome
		reason string
		after  time.Duration
	}{
		{"fine", reply(200, `{"ok":true,"result":{"message_id":1,"chat":{"id":1}}}`), receiver.SendDelivered, "", 0},
		{"flood", reply(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}`), receiver.SendRetry, "rate_limited", 7 * time.Second},
		{"no chat", reply(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`), receiver.SendRefused, "client_error", 0},
		{"dropped", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, receiver.SendUnknown, "lost", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer = c.answer
			err := n.Send(t.Context(), "oncall/ann/telegram", notice(receiver.NoticeFiring))
			if e := outcome(t, err, c.want, c.reason); e != nil {
				if e.RetryAfter != c.after {
					t.Errorf("retry after %s, want %s", e.RetryAfter, c.after)
				}
				mustLack(t, e.Error(), "telegramsecret")
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		n := newNotifier(t, fmt.Sprintf(config, "http://"+freePort(t)))
		e := outcome(t, n.Send(t.Context(), "oncall/ann/telegram", notice(receiver.NoticeFiring)), receiver.SendRetry, "connect")
		mustLack(t, e.Error(), "telegramsecret")
	})
	t.Run("silent", func(t *testing.T) {
		held := make(chan struct{})
		defer close(held)
		answer = func(http.ResponseWriter) { <-held }
		n := newNotifier(t, fmt.Sprintf(config, server.URL), short(300*time.Millisecond))
		outcome(t, n.Send(t.Context(), "oncall/ann/telegram", notice(receiver.NoticeFiring)), receiver.SendUnknown, "timeout")
	})
}

// TestCancelledWhileTheServerThinks: the process stops while a mail server sits on an accepted message.
func TestCancelledWhileTheServerThinks(t *testing.T) {
	server := notifytest.NewSMTP(t, notifytest.SMTPOptions{})
	server.Fail(notifytest.SMTPFault{At: notifytest.StageEnd, Hang: true})
	n := newNotifier(t, mailConfig(server.Addr(), "x"), short(time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Send(ctx, "oncall/ann/email", notice(receiver.NoticeFiring)) }()
	notifytest.Take(t, server) // it has the message
	cancel()
	select {
	case err := <-done:
		if got := receiver.OutcomeOf(err); got != receiver.SendUnknown {
			t.Errorf("outcome %s: %v", got, err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the send goes on after its context ended")
	}
}

func TestUnknownChannel(t *testing.T) {
	n := newNotifier(t, "contacts: []\n")
	outcome(t, n.Send(t.Context(), "a/b/email", notice(receiver.NoticeFiring)), receiver.SendRefused, "config")
}

// panicking is an integration with a fault of its own.
type panicking struct{}

func (panicking) send(context.Context, receiver.Notice) (verdict, error) {
	panic("a fault of the integration")
}

func TestPanicIsContained(t *testing.T) {
	n := newNotifier(t, "contacts: []\n")
	n.channels["x"] = &channel{Channel: Channel{ID: "x"}, sender: panicking{}}
	outcome(t, n.Send(t.Context(), "x", notice(receiver.NoticeFiring)), receiver.SendUnknown, "panic")
}
