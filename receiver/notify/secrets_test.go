package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// assertLeaksNoSecret sends over every channel of a contact, expects each send to fail, and looks for secrets in what
// comes back and in the log.
func assertLeaksNoSecret(t *testing.T, text string, secrets ...string) {
	t.Helper()
	var log bytes.Buffer
	n := newNotifier(t, text, short(time.Second), func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	channels := n.Channels("oncall")
	if len(channels) == 0 {
		t.Fatal("no channels")
	}
	for _, c := range channels {
		err := n.Send(t.Context(), c.ID, notice(receiver.NoticeFiring))
		if err == nil {
			t.Fatalf("%s: delivered", c.ID)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			mustLack(t, fmt.Sprintf("%v %+v %#v", e, e, e), secrets...)
		}
		mustLack(t, log.String(), secrets...)
	}
}

// allSecrets is a contact whose every credential holds "s3cr3t".
func allSecrets(base string) string {
	return strings.ReplaceAll(`
notifications: {slack_api_url: 'BASE/services/T0/B0/s3cr3t-global'}
contacts:
  - role: oncall
    name: ann
    slack: {bot_token: xoxb-s3cr3t-bot, channel: C1, api_url: 'BASE/api/'}
    webhook_configs:
      - url: 'BASE/hook/s3cr3t-path?token=s3cr3t-query'
        http_config:
          basic_auth: {username: u, password: s3cr3t-password}
          http_headers: {X-Key: {secrets: [s3cr3t-header]}}
      - url: 'BASE/hook/s3cr3t-path2'
        http_config: {authorization: {credentials: s3cr3t-credentials}}
    slack_configs: [{channel: '#ops'}]
    pagerduty_configs: [{url: 'BASE/v2/enqueue', routing_key: s3cr3t-routing}]
    telegram_configs: [{api_url: 'BASE', bot_token: '1:s3cr3t-telegram', chat_id: 1}]
    discord_configs: [{webhook_url: 'BASE/api/webhooks/1/s3cr3t-discord'}]
    opsgenie_configs: [{api_url: 'BASE/', api_key: s3cr3t-opsgenie}]
    pushover_configs: [{user_key: s3cr3t-user, token: s3cr3t-app, http_config: {proxy_url: 'BASE'}}]
`, "BASE", base)
}

func TestNotifyLeaksNoSecret(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		assertLeaksNoSecret(t, allSecrets("http://"+freePort(t)), "s3cr3t")
	})
	for name, h := range map[string]http.HandlerFunc{
		"dropped": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"echoes all it was sent": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusBadRequest)
			user, password, _ := r.BasicAuth()
			fmt.Fprintln(w, r.URL, r.URL.Path, r.Header, string(body), user, password)
		},
		"redirects in a circle": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			assertLeaksNoSecret(t, allSecrets(server.URL), "s3cr3t")
		})
	}
	t.Run("email", func(t *testing.T) {
		for _, fault := range []notifytest.SMTPFault{
			{At: notifytest.StageAuth, Code: 535}, {At: notifytest.StageAuth, Drop: true}, {At: notifytest.StageRcpt, Code: 550},
		} {
			server := notifytest.NewSMTP(t, notifytest.SMTPOptions{Username: "ops", Password: "s3cr3t"})
			server.Fail(fault)
			assertLeaksNoSecret(t, strings.Replace(mailConfig(server.Addr(), "s3cr3t"), "role: oncall", "role: oncall", 1), "s3cr3t", "czNjcjN0")
		}
	})
	t.Run("rotated file", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "url")
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no such hook: "+r.URL.Path, http.StatusNotFound)
		}))
		defer server.Close()
		if err := os.WriteFile(name, []byte(server.URL+"/old-s3cr3t"), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "contacts: [{role: oncall, name: ann, webhook_configs: [{url_file: '" + name + "'}]}]"
		n := newNotifier(t, text)
		if err := os.WriteFile(name, []byte(server.URL+"/new-s3cr3t"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := n.Send(t.Context(), "oncall/ann/webhook", notice(receiver.NoticeFiring))
		outcome(t, err, receiver.SendRefused, "client_error")
		mustLack(t, err.Error(), "s3cr3t")
		mustContain(t, err.Error(), "no such hook")
	})
}

// TestRedirectTakesNoToken: Slack's token stays with the configured address.
func TestRedirectTakesNoToken(t *testing.T) {
	thief := notifytest.NewWebhook(t) // fails the test if anything arrives
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL(), http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	n := newNotifier(t, "contacts: [{role: oncall, name: ann, slack: {bot_token: xoxb-1, channel: C1, api_url: '"+server.URL+"'}}]")
	outcome(t, n.Send(t.Context(), "oncall/ann/slackbot", notice(receiver.NoticeFiring)), receiver.SendRefused, "client_error")
}

// failingThreads cannot remember anything.
type failingThreads struct{}

func (failingThreads) Thread(context.Context, string, int64) (string, error) {
	return "", errors.New("store is down")
}

func (failingThreads) SetThread(context.Context, string, int64, string) error {
	return errors.New("store is down")
}

// TestPageWithoutThreads: what only makes pages tidier never keeps one from going out.
func TestPageWithoutThreads(t *testing.T) {
	api := notifytest.NewSlack(t, "xoxb-1")
	n := newNotifier(t, "contacts: [{role: oncall, name: ann, slack: {bot_token: xoxb-1, channel: C1, api_url: '"+api.URL()+"'}}]",
		func(o *Options) { o.Threads = failingThreads{} })
	for range 2 {
		outcome(t, n.Send(t.Context(), "oncall/ann/slackbot", notice(receiver.NoticeFiring)), receiver.SendDelivered, "")
		if m := notifytest.Take(t, api); m.ThreadTS != "" {
			t.Errorf("message %+v", m)
		}
	}
}

func TestMemoryThreadsAreBounded(t *testing.T) {
	var m memoryThreads
	for i := range int64(3 * keptThreads) {
		if err := m.SetThread(t.Context(), "c", i, strconv.FormatInt(i, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.refs) != keptThreads || len(m.order) != keptThreads {
		t.Errorf("%d threads kept", len(m.refs))
	}
	if ref, _ := m.Thread(t.Context(), "c", 3*keptThreads-1); ref != strconv.Itoa(3*keptThreads-1) {
		t.Errorf("the latest is %q", ref)
	}
}

// TestSendsAtOnce: all channels are used from many goroutines; the race detector watches.
func TestSendsAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "ts": "1.1", "channel": "C1", "status": 1, "result": map[string]any{"message_id": 1, "chat": map[string]any{"id": 1}}})
	}))
	defer server.Close()
	text := strings.Replace(allSecrets(server.URL), "    pushover_configs: [{user_key: s3cr3t-user, token: s3cr3t-app, http_config: {proxy_url: '"+server.URL+"'}}]\n", "", 1)
	n := newNotifier(t, text)
	done := make(chan error)
	count := 0
	for _, c := range n.Channels("oncall") {
		for range 4 {
			count++
			go func() { done <- n.Send(t.Context(), c.ID, notice(receiver.NoticeFiring)) }()
		}
	}
	for range count {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestCleanUnknownSecrets: what nobody configured may hold a credential too.
func TestCleanUnknownSecrets(t *testing.T) {
	var s secrets
	for text, want := range map[string]string{
		`Post "https://user:pw@other.example:8443/hook/abc?token=def": EOF`: `Post "https://other.example:8443/…": EOF`,
		"see http://other.example?sig=abc now":                              "see http://other.example/… now",
		"token xoxb-12-ab-CD is bad":                                        "token <secret> is bad",
		"line one\r\nline \x1b[31mtwo":                                      "line one line two",
		strings.Repeat("é", 5000):                                           strings.Repeat("é", longestError-1) + "…",
	} {
		if got := s.clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Post \"https://hooks.slack.com/services/T/B/s3cr3t-path\": EOF", "s3cr3t-path")
	f.Add("x", "abcd")
	f.Add("https://u:abcdefgh@h/?q=abcdefgh", "abcdefgh")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(secret) < 8 || strings.ContainsAny(secret, "…<>") || line(secret, 1000) != secret || strings.Contains(hidden, secret) {
			t.Skip()
		}
		var s secrets
		s.collect(map[string]any{"bot_token": secret}, "")
		if got := s.clean(text + secret + text); strings.Contains(got, secret) {
			t.Errorf("%q is still in %q", secret, got)
		}
	})
}
