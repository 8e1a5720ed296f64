package notifytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"unicode/utf8"
)

// SlackMessage is one message that Slack accepted.
type SlackMessage struct {
	Channel   string
	TS        string // the message's own
	ThreadTS  string // of the message it answers; "" for none
	Broadcast bool   // a reply shown in the channel too
	Text      string
	Blocks    json.RawMessage
	Metadata  json.RawMessage
}

// Slack is the part of Slack's web API that posting needs: chat.postMessage and auth.test.
type Slack struct {
	inbox[SlackMessage]
	faults
	token  string
	server *httptest.Server
	stop   chan struct{}

	mu    sync.Mutex
	known map[string]string // timestamp → channel
}

// StartSlack starts an API that knows one token.
func StartSlack(token string) *Slack {
	s := &Slack{token: token, stop: make(chan struct{}), known: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/chat.postMessage", s.post)
	mux.HandleFunc("POST /api/auth.test", func(w http.ResponseWriter, r *http.Request) {
		if s.authorised(w, r) {
			reply(w, map[string]any{"ok": true, "team": "T", "user": "chronoops", "user_id": "U1", "bot_id": "B1"})
		}
	})
	s.server = httptest.NewServer(mux)
	return s
}

// NewSlack starts an API that is closed, and checked, at the end of the test.
func NewSlack(t testing.TB, token string) *Slack {
	s := StartSlack(token)
	closeAtEnd(t, s)
	return s
}

// URL is what a client's API address is set to.
func (s *Slack) URL() string { return s.server.URL + "/api/" }

// Close stops the API and returns an error if messages arrived that nobody took.
func (s *Slack) Close() error {
	close(s.stop)
	s.server.Close()
	return s.unexpected("slack")
}

// Forget deletes a message, as a person may.
func (s *Slack) Forget(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, ts)
}

func (s *Slack) authorised(w http.ResponseWriter, r *http.Request) bool {
	token := r.FormValue("token")
	if token == "" {
		_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer %s", &token)
	}
	if token != s.token {
		reply(w, map[string]any{"ok": false, "error": "invalid_auth"})
		return false
	}
	return true
}

func (s *Slack) post(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fault, _ := s.next()
	if fault.refuse(w) {
		return
	}
	if fault.Body != "" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, fault.Body)
		return
	}
	if !s.authorised(w, r) {
		return
	}
	m := SlackMessage{
		Channel: r.FormValue("channel"), ThreadTS: r.FormValue("thread_ts"), Broadcast: r.FormValue("reply_broadcast") == "true",
		Text: r.FormValue("text"), Blocks: json.RawMessage(r.FormValue("blocks")), Metadata: json.RawMessage(r.FormValue("metadata")),
	}
	if code := s.accept(&m); code != "" {
		reply(w, map[string]any{"ok": false, "error": code})
		return
	}
	s.put(m)
	if fault.vanish(r, s.stop) {
		return
	}
	reply(w, map[string]any{"ok": true, "channel": m.Channel, "ts": m.TS})
}

// accept gives the message its timestamp, or returns Slack's code for what is wrong with it.
func (s *Slack) accept(m *SlackMessage) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.Channel == "":
		return "channel_not_found"
	case m.Text == "" && len(m.Blocks) == 0:
		return "no_text"
	case len(m.Blocks) > 0 && !validBlocks(m.Blocks):
		return "invalid_blocks"
	}
	if m.ThreadTS != "" && s.known[m.ThreadTS] != m.Channel {
		return "thread_not_found"
	}
	m.TS = fmt.Sprintf("1700000000.%06d", len(s.known)+1)
	for s.known[m.TS] != "" {
		m.TS += "0"
	}
	s.known[m.TS] = m.Channel
	return ""
}

// validBlocks holds messages to Slack's documented limits.
func validBlocks(raw json.RawMessage) bool {
	type text struct{ Type, Text string }
	var blocks []struct {
		Type     string
		BlockID  string `json:"block_id"`
		Text     *text
		Fields   []text
		Elements []text
	}
	if json.Unmarshal(raw, &blocks) != nil || len(blocks) > 50 {
		return false
	}
	fits := func(t text, limit int) bool {
		n := utf8.RuneCountInString(t.Text)
		return n > 0 && n <= limit && (t.Type == "plain_text" || t.Type == "mrkdwn")
	}
	ids := map[string]bool{}
	for _, b := range blocks {
		if b.BlockID == "" || ids[b.BlockID] || len(b.Fields) > 10 {
			return false
		}
		ids[b.BlockID] = true
		limit := 3000
		if b.Type == "header" {
			limit = 150
		}
		if b.Text != nil && !fits(*b.Text, limit) {
			return false
		}
		for _, t := range append(b.Fields, b.Elements...) {
			if !fits(t, 2000) {
				return false
			}
		}
	}
	return true
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
