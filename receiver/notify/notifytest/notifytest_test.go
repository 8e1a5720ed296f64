package notifytest

import (
	"context"
	"net/http"
	"net/smtp"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestUnexpectedMessages: a server that was sent more than its test took says so at its close.
func TestUnexpectedMessages(t *testing.T) {
	hook := StartWebhook()
	resp, err := http.Post(hook.URL()+"/x", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := hook.Close(); err == nil || !strings.Contains(err.Error(), "nobody expected") {
		t.Errorf("webhook: %v", err)
	}

	api := StartSlack("xoxb-1")
	resp, err = http.PostForm(api.URL()+"chat.postMessage", url.Values{"token": {"xoxb-1"}, "channel": {"C1"}, "text": {"hello"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := api.Close(); err == nil || !strings.Contains(err.Error(), "nobody expected") {
		t.Errorf("slack: %v", err)
	}

	server, err := StartSMTP(SMTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := smtp.SendMail(server.Addr(), nil, "a@example.com", []string{"b@example.com"}, []byte("Subject: x\r\n\r\n.hello\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := server.Pending(); len(got) != 1 || !strings.Contains(string(got[0].Data), "\n.hello") {
		t.Errorf("mail %+v", got)
	}
	if err := server.Close(); err == nil || !strings.Contains(err.Error(), "nobody expected") {
		t.Errorf("smtp: %v", err)
	}
}

func TestNextWaitsOnlyAsLongAsItMay(t *testing.T) {
	hook := NewWebhook(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := hook.Next(ctx); err == nil {
		t.Error("a message out of nowhere")
	}
}

func TestSlackRefusesWhatSlackRefuses(t *testing.T) {
	api := NewSlack(t, "xoxb-1")
	post := func(values url.Values) string {
		t.Helper()
		if values.Get("token") == "" {
			values.Set("token", "xoxb-1")
		}
		resp, err := http.PostForm(api.URL()+"chat.postMessage", values)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body strings.Builder
		if err := resp.Write(&body); err != nil {
			t.Fatal(err)
		}
		return body.String()
	}
	for want, values := range map[string]url.Values{
		"invalid_auth":      {"token": {"xoxb-2"}, "channel": {"C1"}, "text": {"x"}},
		"channel_not_found": {"text": {"x"}},
		"no_text":           {"channel": {"C1"}},
		"thread_not_found":  {"channel": {"C1"}, "text": {"x"}, "thread_ts": {"1.2"}},
		"invalid_blocks":    {"channel": {"C1"}, "blocks": {`[{"type":"header","block_id":"a","text":{"type":"plain_text","text":"` + strings.Repeat("x", 151) + `"}}]`}},
	} {
		if got := post(values); !strings.Contains(got, want) {
			t.Errorf("%s: %s", want, got)
		}
	}
}
