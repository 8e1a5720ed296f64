package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/tools/stack"
)

// patience is how long a test waits for what must come; it fails by nothing else that depends on time.
const patience = 90 * time.Second

const webhookToken = "webhook-token-0123456789"

// program is a running `chronoops serve`. Its folder outlives it, so that another can go on where it ended.
type program struct {
	*stack.Server
	t             *testing.T
	dir           string // holds chronoops.yml and state
	url, receiver string // the addresses of its listeners
}

// folder makes a folder with a configuration in it.
func folder(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "chronoops.yml"), config)
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var readyLine = regexp.MustCompile(`msg=Ready metrics="?\[([^ \]]*)\]"? receiver="?\[([^ \]]*)\]"?`)

// start runs `chronoops serve` on free ports until the end of the test, and returns once it is ready.
func start(t *testing.T, dir string, flags ...string) *program {
	t.Helper()
	exe, err := exec.LookPath("chronoops") // this very program, under the name that makes it the server
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--config.file=chronoops.yml", "--web.listen-address=127.0.0.1:0"}
	if !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--storage.path=") }) {
		args = append(args, "--storage.path=state")
	}
	s, err := stack.Start(t.Context(), stack.Command{Name: "chronoops", Path: exe, Args: append(args, flags...), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Server: s, t: t, dir: dir}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if out := s.Output(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic:") || t.Failed() {
			t.Errorf("the program said:\n%s", out)
		}
	})
	p.eventually("the start", func() error {
		select {
		case <-s.Exited():
			t.Fatalf("the program ended:\n%s", s.Output())
		default:
		}
		m := readyLine.FindStringSubmatch(s.Output())
		if m == nil {
			return fmt.Errorf("not ready:\n%s", s.Output())
		}
		p.url, p.receiver = "http://"+m[1], "http://"+m[2]
		return nil
	})
	return p
}

func (p *program) eventually(what string, try func() error) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	p.t.Fatalf("%s: %v\nthe program said:\n%s", what, err, p.Output())
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// request sends one request; headers are "Name: value".
func (p *program) request(method, address, body string, headers ...string) answer {
	p.t.Helper()
	a, err := send(method, address, body, headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\nthe program said:\n%s", method, address, err, p.Output())
	}
	return a
}

func send(method, address, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

func (p *program) get(path string, headers ...string) answer {
	p.t.Helper()
	return p.request(http.MethodGet, p.url+path, "", headers...)
}

// operator is the header of the generated operator token.
func (p *program) operator() string {
	p.t.Helper()
	token, err := api.ReadToken(api.OperatorFile(filepath.Join(p.dir, "state")))
	if err != nil {
		p.t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

// call asks the API as operator and decodes the data.
func (p *program) call(method, path string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := p.request(method, p.receiver+path, string(text), p.operator(), "Content-Type: application/json", "X-Chronoops-User: ann")
	var envelope api.Answer
	if err := json.Unmarshal([]byte(a.body), &envelope); err != nil || a.status != http.StatusOK {
		p.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if into != nil {
		if err := json.Unmarshal(envelope.Data, into); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *program) resume() {
	p.t.Helper()
	p.call(http.MethodPost, "/api/v1/resume", api.ResumeRequest{}, nil)
}

// incident returns the details of one incident.
func (p *program) incident(id int) (d api.Detail) {
	p.t.Helper()
	p.call(http.MethodGet, fmt.Sprintf("/api/v1/incidents/%d", id), nil, &d)
	return d
}

// metrics returns the samples of a scrape by series, as text.
func (p *program) metrics(headers ...string) map[string]string {
	p.t.Helper()
	a := p.get("/metrics", headers...)
	if a.status != http.StatusOK {
		p.t.Fatalf("/metrics: %d %s", a.status, a.body)
	}
	return samples(a.body)
}

func samples(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			out[line[:i]] = strings.TrimSpace(line[i+1:])
		}
	}
	return out
}

func (p *program) wantMetrics(want map[string]string) {
	p.t.Helper()
	got := p.metrics()
	for series, value := range want {
		if got[series] != value {
			p.t.Errorf("%s is %q, want %q", series, got[series], value)
		}
	}
}

// reload sends SIGHUP and waits until the program has said what became of it.
func (p *program) reload(config string, said string) {
	p.t.Helper()
	write(p.t, filepath.Join(p.dir, "chronoops.yml"), config)
	before := strings.Count(p.Output(), said)
	if err := p.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the reload", func() error {
		if strings.Count(p.Output(), said) == before {
			return fmt.Errorf("it does not say %q", said)
		}
		return nil
	})
}

const (
	reloaded    = "Configuration reloaded"
	notReloaded = "Configuration not reloaded"
)

// alert is a webhook message with one alert.
func alert(status string, labels map[string]string) string {
	starts := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	ends := "0001-01-01T00:00:00Z"
	if status == "resolved" {
		ends = time.Now().UTC().Format(time.RFC3339)
	}
	b, err := json.Marshal(map[string]any{
		"version": "4", "groupKey": fmt.Sprintf(`{}:{alertname=%q}`, labels["alertname"]), "status": status, "receiver": "chronoops",
		"groupLabels": map[string]string{"alertname": labels["alertname"]}, "commonLabels": labels, "commonAnnotations": map[string]string{},
		"externalURL": "http://alertmanager.example",
		"alerts": []any{map[string]any{
			"status": status, "labels": labels, "annotations": map[string]string{"summary": "the backend does not answer"}, "startsAt": starts, "endsAt": ends,
			"generatorURL": "http://prometheus.example", "fingerprint": "0123456789abcdef",
		}},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

const asJSON = "Content-Type: application/json"

// post sends a webhook message with the credential of the source.
func (p *program) post(message string) answer {
	p.t.Helper()
	return p.request(http.MethodPost, p.receiver+api.WebhookPath, message, asJSON, "Authorization: Bearer "+webhookToken)
}

// alertmanager is the API that is asked whether an alert still fires.
type alertmanager struct {
	*httptest.Server
	mu     sync.Mutex
	firing []map[string]string
}

func newAlertmanager(t *testing.T) *alertmanager {
	am := &alertmanager{}
	am.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/alerts" {
			http.NotFound(w, r)
			return
		}
		am.mu.Lock()
		defer am.mu.Unlock()
		list := []map[string]any{}
		for _, labels := range am.firing {
			list = append(list, map[string]any{"labels": labels, "status": map[string]string{"state": "active"}})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(am.Close)
	return am
}

func (am *alertmanager) set(firing ...map[string]string) {
	am.mu.Lock()
	defer am.mu.Unlock()
	am.firing = firing
}

// deadPort is an address that nothing listens on.
func deadPort(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// checked runs `check config` on a folder's configuration and returns what it says and its exit code.
func checked(t *testing.T, dir string) (string, int) {
	t.Helper()
	var out, problems bytes.Buffer
	code := run([]string{"check", "config", filepath.Join(dir, "chronoops.yml")}, console{out: &out, err: &problems})
	return out.String() + problems.String(), code
}

// states lists the states of an incident's attempts.
func states(d api.Detail) (list []receiver.AttemptState) {
	for _, a := range d.Attempts {
		list = append(list, a.State)
	}
	return list
}
