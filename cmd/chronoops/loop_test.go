package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// rig is a backend that is down, an Alertmanager that says so, a program that repairs it, and people who can be paged.
//
// The program appends to the file effects, then waits as long as the file hold exists, and brings the backend up unless
// the file broken exists.
type rig struct {
	t            *testing.T
	dir          string
	alertmanager *alertmanager
	backend      *httptest.Server
	hook         *notifytest.Webhook // level 1
	mail         *notifytest.SMTP    // level 2
	labels       map[string]string
}

func newRig(t *testing.T) *rig {
	r := &rig{
		t: t, dir: t.TempDir(), alertmanager: newAlertmanager(t), hook: notifytest.NewWebhook(t), mail: notifytest.NewSMTP(t, notifytest.SMTPOptions{}),
		labels: map[string]string{"alertname": "ApiDown", "instance": "backend"},
	}
	r.backend = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !r.has("healthy") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(r.backend.Close)
	t.Cleanup(func() { r.remove("hold") }) // what a killed server left running ends with the test
	script := filepath.Join(r.dir, "repair")
	text := "#!/bin/sh\ncd '" + r.dir + "' || exit 1\necho \"$1\" >>effects\nwhile [ -e hold ]; do sleep 0.05; done\n[ -e broken ] || : >healthy\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	smtpHost, smtpPort, err := net.SplitHostPort(r.mail.Addr())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.dir, "chronoops.yml"), `
targets:
  api: [{name: backend, url: '`+r.backend.URL+`', probes: [/health]}]
  alertmanager: [{name: am, url: '`+r.alertmanager.URL+`'}]
receiver:
  mode: auto
  recheck: 1s
  sources: [{name: prod, token: `+webhookToken+`, alertmanagers: [am]}]
  policies:
    - name: api-down
      match: ['alertname="ApiDown"']
      priority: P1
      mode: auto
      repair:
        - action: command
          with: {argv: [`+script+`, '{{ .Labels.instance }}'], patterns: {instance: '[a-z]+'}}
          timeout: 15s
          verify: {probe: backend, within: 3s, interval: 100ms, hold_down: 200ms}
notifications: {smtp_smarthost: '`+smtpHost+`:`+smtpPort+`', smtp_from: chronoops@example.com, smtp_require_tls: false}
contacts:
  - {role: oncall, name: ann, webhook_configs: [{url: '`+r.hook.URL()+`/page'}]}
  - {role: boss, name: bob, email: bob@example.com}
escalation:
  - {level: 1, timeout: 1s, contacts: [oncall]}
  - {level: 2, timeout: 30m, contacts: [boss]}
`)
	r.alertmanager.set(r.labels)
	return r
}

func (r *rig) has(name string) bool {
	_, err := os.Stat(filepath.Join(r.dir, name))
	return err == nil
}

func (r *rig) create(name string) { write(r.t, filepath.Join(r.dir, name), "") }

func (r *rig) remove(name string) {
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Error(err)
	}
}

// effects are what the program did, one line a run.
func (r *rig) effects() []string {
	b, err := os.ReadFile(filepath.Join(r.dir, "effects"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return strings.Fields(string(b))
}

func (r *rig) wantOneEffect() {
	r.t.Helper()
	if got := r.effects(); !slices.Equal(got, []string{"backend"}) {
		r.t.Errorf("effects %q, want one", got)
	}
}

func (r *rig) fire(p *program) {
	r.t.Helper()
	if a := p.post(alert("firing", r.labels)); a.status != http.StatusOK {
		r.t.Fatalf("webhook: %d %s", a.status, a.body)
	}
}

// resolve is what Alertmanager does once the rule does not fire any more.
func (r *rig) resolve(p *program) {
	r.t.Helper()
	r.alertmanager.set()
	if a := p.post(alert("resolved", r.labels)); a.status != http.StatusOK {
		r.t.Fatalf("webhook: %d %s", a.status, a.body)
	}
}

// next takes the next page of a sink.
func next[T any](t *testing.T, p *program, from interface {
	Next(ctx context.Context) (T, error)
},
) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	item, err := from.Next(ctx)
	if err != nil {
		t.Fatalf("%v\nthe program said:\n%s", err, p.Output())
	}
	return item
}

// page is what a page says to a program.
type page struct {
	Status string
	Alerts []struct{ Annotations map[string]string }
}

func (r *rig) page(p *program) (status string, repeated bool) {
	r.t.Helper()
	var got page
	if err := next(r.t, p, r.hook).Decode(&got); err != nil || len(got.Alerts) != 1 {
		r.t.Fatalf("%v: %+v", err, got)
	}
	return got.Status, got.Alerts[0].Annotations["repeated"] == "true"
}

// awaitEffect waits until the program has begun.
func (r *rig) awaitEffect(p *program) {
	r.t.Helper()
	p.eventually("the effect", func() error {
		if len(r.effects()) == 0 {
			return errors.New("nothing has happened")
		}
		return nil
	})
}

// awaitState waits for the states of the first incident's attempts.
func awaitState(p *program, want ...receiver.AttemptState) {
	p.t.Helper()
	p.eventually("the attempts", func() error {
		if got := states(p.incident(1)); !slices.Equal(got, want) {
			return fmt.Errorf("attempts are %v, want %v", got, want)
		}
		return nil
	})
}

func awaitResolved(p *program) api.Detail {
	p.t.Helper()
	p.eventually("the end of the incident", func() error {
		if d := p.incident(1); d.Incident.Open() {
			return fmt.Errorf("it is open: attempts %v", states(d))
		}
		return nil
	})
	var list []api.Incident
	p.call(http.MethodGet, "/api/v1/incidents", nil, &list)
	if len(list) != 1 {
		p.t.Errorf("%d incidents, want 1", len(list))
	}
	return p.incident(1)
}

// happened tells the kinds of a timeline in their order, each once.
func happened(d api.Detail) (kinds []string) {
	for _, e := range d.Timeline {
		if !slices.Contains(kinds, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func TestLoopRepairs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := start(t, r.dir)

	// A new store acts only after a person has said so.
	r.fire(p)
	p.eventually("the guard", func() error {
		if d := p.incident(1); len(d.Attempts) != 1 || d.Attempts[0].State != receiver.AttemptBlocked || !strings.Contains(d.Attempts[0].Reason, "chronoops resume") {
			return fmt.Errorf("attempts %+v", d.Attempts)
		}
		return nil
	})
	if len(r.effects()) > 0 {
		t.Fatal("a new store acted")
	}
	if status, repeated := r.page(p); status != "firing" || repeated { // nobody waits for a repair that is refused
		t.Errorf("page %s, repeated %t", status, repeated)
	}
	p.resume()
	r.awaitEffect(p)
	p.eventually("the backend", func() error {
		if !r.has("healthy") {
			return errors.New("it is down")
		}
		return nil
	})
	r.alertmanager.set() // before its message arrives, which can take a group_interval
	d := awaitResolved(p)
	r.wantOneEffect()
	if got := states(d); !slices.Equal(got, []receiver.AttemptState{receiver.AttemptVerified}) {
		t.Errorf("attempts %v", got)
	}
	got := happened(d)
	for _, kind := range []string{"opened", "alert", "guard", "escalate", "page", "started", "applied", "verified", "resolved"} {
		if !slices.Contains(got, kind) {
			t.Errorf("the timeline has no %q: %v", kind, got)
		}
	}
	// Whoever was paged hears of the end.
	if status, _ := r.page(p); status != "resolved" {
		t.Errorf("the last page says %s", status)
	}
	for range p.mails() {
		next(t, p, r.mail)
	}
}

// mails lists the pages of level 2, which its timeout of a second may have brought about or not.
func (p *program) mails() (list []receiver.Page) {
	p.t.Helper()
	p.eventually("the pages", func() error {
		list = nil
		for _, page := range p.incident(1).Pages {
			if !page.Due.IsZero() {
				return fmt.Errorf("page %d is %s", page.ID, page.State)
			}
			if page.Role == "boss" && page.State == receiver.PageSent {
				list = append(list, page)
			}
		}
		return nil
	})
	return list
}

func TestLoopEscalates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("broken")
	p := start(t, r.dir)
	p.resume()
	r.fire(p)
	if status, _ := r.page(p); status != "firing" {
		t.Errorf("page %s", status)
	}
	mail, err := next(t, p, r.mail).Parse()
	if err != nil {
		t.Fatal(err)
	}
	if to := mail.Header.Get("To"); !strings.Contains(to, "bob@example.com") || !strings.Contains(mail.Text, "the backend does not answer") || !strings.Contains(mail.Text, "command") {
		t.Errorf("mail to %s:\n%s", to, mail.Text)
	}
	awaitState(p, receiver.AttemptFailed)
	p.call(http.MethodPost, "/api/v1/incidents/1/ack", map[string]any{}, nil)
	if ack := p.incident(1).Incident.Ack; ack == nil || !strings.Contains(ack.By, "ann") {
		t.Errorf("acknowledgement %+v", ack)
	}
	r.create("healthy")
	r.resolve(p)
	d := awaitResolved(p)
	r.wantOneEffect()
	if got := happened(d); !slices.Contains(got, "failed") || !slices.Contains(got, "ack") {
		t.Errorf("timeline %v", got)
	}
	if status, _ := r.page(p); status != "resolved" {
		t.Errorf("the last page says %s", status)
	}
	if mail, err := next(t, p, r.mail).Parse(); err != nil || !strings.Contains(strings.ToLower(mail.Header.Get("Subject")), "resolved") {
		t.Errorf("the last mail: %v, %v", mail.Header, err)
	}
}
