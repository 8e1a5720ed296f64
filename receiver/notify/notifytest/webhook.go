package notifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Request is one message that a Webhook accepted.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Decode reads the body as JSON.
func (r Request) Decode(v any) error { return json.Unmarshal(r.Body, v) }

// Webhook accepts anything posted to it and answers as Slack's incoming webhooks do: 200 and "ok".
type Webhook struct {
	inbox[Request]
	faults
	server *httptest.Server
	stop   chan struct{}
}

// StartWebhook starts a receiver on a free port.
func StartWebhook() *Webhook {
	s := &Webhook{stop: make(chan struct{})}
	s.server = httptest.NewServer(s)
	return s
}

// NewWebhook starts a receiver that is closed, and checked, at the end of the test.
func NewWebhook(t testing.TB) *Webhook {
	s := StartWebhook()
	closeAtEnd(t, s)
	return s
}

// URL is the receiver's address without a path.
func (s *Webhook) URL() string { return s.server.URL }

// Close stops the receiver and returns an error if messages arrived that nobody took.
func (s *Webhook) Close() error {
	close(s.stop)
	s.server.Close()
	return s.unexpected("webhook")
}

// ServeHTTP implements http.Handler.
func (s *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fault, _ := s.next()
	if fault.refuse(w) {
		return
	}
	s.put(Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body})
	if fault.vanish(r, s.stop) {
		return
	}
	if fault.Body != "" {
		_, _ = io.WriteString(w, fault.Body)
		return
	}
	_, _ = io.WriteString(w, "ok")
}
