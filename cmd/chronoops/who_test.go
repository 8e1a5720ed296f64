package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/receiver/api"
)

const (
	viewerToken   = "viewer-token-0123456789"
	operatorToken = "operator-token-0123456789"
)

// asked is one request and the status that it must get.
type asked struct {
	method, path string
	headers      []string
	status       int
}

func (p *program) ask(list []asked) {
	p.t.Helper()
	for _, q := range list {
		body := ""
		if q.method == http.MethodPost {
			body = "{}"
		}
		if strings.HasSuffix(q.path, api.WebhookPath) || strings.HasPrefix(q.path, "/hooks/") {
			body = alert("firing", map[string]string{"alertname": "X"})
		}
		a := p.request(q.method, p.url+q.path, body, q.headers...)
		if a.status != q.status {
			p.t.Errorf("%s %s with %q: %d, want %d: %s", q.method, q.path, q.headers, a.status, q.status, a.body)
		}
		if a.status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
			p.t.Errorf("%s %s: 401 without a challenge", q.method, q.path)
		}
	}
}

// While nothing could act or page, this machine may look and send alerts; whatever changes anything needs a token.
func TestWhoMayUnarmed(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, "receiver:\n  tokens: [{name: wall, role: viewer, token: "+viewerToken+"}, {name: ann, role: operator, token: "+operatorToken+"}]\n"))
	const post, get = http.MethodPost, http.MethodGet
	viewer, operator := "Authorization: Bearer "+viewerToken, "Authorization: Bearer "+operatorToken
	hook := api.WebhookPath
	p.ask([]asked{
		{post, hook, []string{asJSON}, 200},
		{post, hook, []string{asJSON, "Host: localhost:9847"}, 200},
		{post, hook, []string{"Content-Type: text/plain"}, 401},
		{post, hook, nil, 401},
		{post, hook, []string{asJSON, "Origin: http://127.0.0.1"}, 401},
		{post, hook, []string{asJSON, "Origin: https://evil.example"}, 401},
		{post, hook, []string{asJSON, "X-Forwarded-For: 10.0.0.1"}, 401},
		{post, hook, []string{asJSON, "Forwarded: for=10.0.0.1"}, 401},
		{post, hook, []string{asJSON, "Host: rebound.example"}, 401},
		{post, hook, []string{asJSON, "Authorization: Bearer wrong"}, 401},
		{get, hook, nil, 405},

		{get, "/metrics", nil, 200},
		{get, "/sd", nil, 200},
		{get, "/", nil, 200},
		{get, "/api/v1/incidents", nil, 200},
		{get, "/api/v1/incidents/1", nil, 200},
		{get, "/incidents", nil, 200},
		{get, "/incidents/1", nil, 200},
		{get, "/config", nil, 200},
		{get, "/api/v1/pause", nil, 200},
		{get, "/api/v1/actions", nil, 200},
		{get, "/incidents", []string{"Host: rebound.example"}, 401},
		{get, "/api/v1/incidents", []string{"X-Forwarded-For: 10.0.0.1"}, 401},
		{get, "/config", []string{"X-Forwarded-For: 10.0.0.1"}, 401},
		{get, "/config", []string{"Host: rebound.example"}, 401},

		{post, "/api/v1/pause", []string{asJSON}, 401},
		{post, "/api/v1/resume", []string{asJSON}, 401},
		{post, "/api/v1/incidents/1/ack", []string{asJSON}, 401},
		{post, "/api/v1/incidents/1/approve", []string{asJSON}, 401},
		{post, "/api/v1/incidents/1/reject", []string{asJSON}, 401},
		{post, "/api/v1/actions/run", []string{asJSON}, 401},
		{post, "/api/v1/actions/plan", []string{asJSON}, 401},
		{post, "/-/reload", nil, 401},
		{get, "/-/reload", nil, 405},
		{post, "/api/v1/pause", []string{asJSON, viewer}, 403},
		{post, "/api/v1/incidents/1/ack", []string{asJSON, viewer}, 403},
		{post, "/-/reload", []string{viewer}, 403},
		{post, "/-/reload", []string{operator, "Origin: https://evil.example"}, 403},
		{post, "/-/reload", []string{operator}, 200},
		{post, "/-/reload", []string{p.operator()}, 200},
		{post, "/api/v1/pause", []string{asJSON, operator}, 200},
		{post, "/api/v1/resume", []string{asJSON, p.operator()}, 200},
		{get, "/debug/pprof/", nil, 404},
	})
}

// Once something could act, nobody looks or sends without a credential.
func TestWhoMayArmed(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, `
targets: {alertmanager: [{name: am, url: 'http://127.0.0.1:9'}]}
receiver:
  mode: auto
  tokens: [{name: wall, role: viewer, token: `+viewerToken+`}, {name: ann, role: operator, token: `+operatorToken+`}]
  sources:
    - {name: prod, token: `+webhookToken+`, alertmanagers: [am]}
    - {name: test, token: test-source-token-0123, path: /hooks/test, alertmanagers: [am]}
  policies:
    - name: p
      match: ['alertname="X"']
      mode: approve
      repair: [{action: systemd.restart, with: {unit: chronoops-test.service}}]
`), "--web.enable-pprof")
	const post, get = http.MethodPost, http.MethodGet
	viewer, operator := "Authorization: Bearer "+viewerToken, "Authorization: Bearer "+operatorToken
	source, test := "Authorization: Bearer "+webhookToken, "Authorization: Bearer test-source-token-0123"
	hook := api.WebhookPath
	p.ask([]asked{
		{post, hook, []string{asJSON}, 401},
		{post, hook, []string{asJSON, source}, 200},
		{post, hook, []string{source}, 200}, // with a credential nothing else is asked
		{post, hook, []string{asJSON, source, "X-Forwarded-For: 10.0.0.1", "Host: chronoops.example"}, 200},
		{post, hook, []string{asJSON, viewer}, 401}, // a person's token is no sender's
		{post, hook, []string{asJSON, operator}, 401},
		{post, hook, []string{asJSON, test}, 401}, // its source has a path of its own
		{post, "/hooks/test", []string{asJSON, test}, 200},
		{post, "/hooks/test", []string{asJSON}, 401},
		{post, "/hooks/other", []string{asJSON, test}, 404},

		{get, "/metrics", nil, 200},
		{get, "/api/v1/incidents", nil, 401},
		{get, "/api/v1/incidents/1", nil, 401},
		{get, "/incidents", nil, 401},
		{get, "/incidents/1", nil, 401},
		{get, "/config", nil, 401},
		{get, "/api/v1/incidents", []string{source}, 401},
		{get, "/config", []string{viewer}, 200},
		{get, "/incidents", []string{viewer}, 200},
		{get, "/api/v1/incidents", []string{viewer}, 200},
		{get, "/incidents", []string{"Authorization: Basic eDp2aWV3ZXItdG9rZW4tMDEyMzQ1Njc4OQ=="}, 200}, // x:viewer-token, from a browser
		{get, "/debug/pprof/", nil, 401},
		{get, "/debug/pprof/", []string{viewer}, 403},
		{get, "/debug/pprof/", []string{operator}, 200},

		{post, "/api/v1/pause", []string{asJSON}, 401},
		{post, "/api/v1/pause", []string{asJSON, viewer}, 403},
		{post, "/api/v1/pause", []string{asJSON, source}, 401},
		{post, "/api/v1/incidents/1/ack", []string{asJSON, viewer}, 403},
		{post, "/api/v1/incidents/1/ack", []string{asJSON, operator}, 200},
		{post, "/-/reload", nil, 401},
		{post, "/-/reload", []string{operator}, 200},
	})
}
