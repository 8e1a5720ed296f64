package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// kill ends the program as a crash would, and starts another over its state.
func (r *rig) kill(p *program) *program {
	r.t.Helper()
	if err := p.Kill(); err != nil {
		r.t.Fatal(err)
	}
	return start(r.t, r.dir)
}

// However the program dies, no effect happens twice, and nobody is forgotten.
func TestKilled(t *testing.T) {
	t.Parallel()
	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		p := start(t, r.dir)
		p.resume()
		message := alert("firing", r.labels)
		u, err := url.Parse(p.receiver)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			api.WebhookPath, u.Host, webhookToken, len(message), message[:len(message)/2]); err != nil {
			t.Fatal(err)
		}
		p = r.kill(p)
		r.fire(p) // as Alertmanager does that got no answer
		r.fire(p) // and its peer
		r.awaitEffect(p)
		r.alertmanager.set()
		awaitResolved(p)
		r.wantOneEffect()
		for range r.hook.Pending() {
			r.page(p)
		}
	})
	t.Run("after the answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		p := start(t, r.dir)
		p.resume()
		r.create("hold")
		r.fire(p)
		p = r.kill(p) // the decision may be before us or behind us
		r.remove("hold")
		r.alertmanager.set(r.labels)
		p.eventually("an end of the attempt", func() error {
			d := p.incident(1)
			if len(d.Attempts) != 1 {
				return fmt.Errorf("attempts %v", states(d))
			}
			state := d.Attempts[0].State
			if state == receiver.AttemptApplied {
				r.alertmanager.set()
			}
			paged := (state == receiver.AttemptUnknown || state == receiver.AttemptFailed) && len(r.hook.Pending()) > 0
			if paged || state == receiver.AttemptVerified {
				return nil
			}
			return fmt.Errorf("attempts %v", states(d))
		})
		if n := len(r.effects()); n > 1 {
			t.Errorf("%d effects", n)
		}
		r.drain(p)
	})
	t.Run("during the command", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.create("hold")
		p := start(t, r.dir)
		p.resume()
		r.fire(p)
		r.awaitEffect(p)
		p = r.kill(p)
		r.remove("hold")
		awaitState(p, receiver.AttemptUnknown)
		if status, repeated := r.page(p); status != "firing" || repeated {
			t.Errorf("page %s, repeated %t", status, repeated)
		}
		r.wantOneEffect()
		r.drain(p)
	})
	t.Run("during verification", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.create("broken")
		config, err := os.ReadFile(filepath.Join(r.dir, "chronoops.yml"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(r.dir, "chronoops.yml"), strings.Replace(string(config), "within: 3s", "within: 10m", 1))
		p := start(t, r.dir)
		p.resume()
		r.fire(p)
		awaitState(p, receiver.AttemptApplied)
		p = r.kill(p)
		r.create("healthy")
		r.alertmanager.set()
		d := awaitResolved(p)
		if got := states(d); !slices.Equal(got, []receiver.AttemptState{receiver.AttemptVerified}) {
			t.Errorf("attempts %v", got)
		}
		r.wantOneEffect()
		if n := len(r.hook.Pending()); n > 0 {
			t.Errorf("%d pages about a repair that worked in time", n)
		}
	})
	t.Run("during a page", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.create("broken")
		r.hook.Fail(notifytest.Fault{Hang: true})
		p := start(t, r.dir)
		p.resume()
		r.fire(p)
		if status, repeated := r.page(p); status != "firing" || repeated {
			t.Errorf("page %s, repeated %t", status, repeated)
		}
		p = r.kill(p) // it has been received, and the program does not know
		if status, repeated := r.page(p); status != "firing" || !repeated {
			t.Errorf("after the restart: page %s, repeated %t", status, repeated)
		}
		r.wantOneEffect()
		r.drain(p)
	})
}

// drain ends the program and takes the pages that are of no more interest.
func (r *rig) drain(p *program) {
	r.t.Helper()
	if err := p.Stop(); err != nil {
		r.t.Error(err)
	}
	for range r.hook.Pending() {
		next(r.t, p, r.hook)
	}
	for range r.mail.Pending() {
		next(r.t, p, r.mail)
	}
}

// A stop during a command waits for it, turns new messages away, and records what became of it.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("hold")
	p := start(t, r.dir)
	p.resume()
	r.fire(p)
	r.awaitEffect(p)

	// A message that is under way when the signal comes is taken.
	u, err := url.Parse(p.receiver)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := alert("firing", map[string]string{"alertname": "Late"})
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		api.WebhookPath, u.Host, webhookToken, len(message)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") { // its body is being waited for
		t.Fatalf("%q, %v", line, err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.eventually("the stop", func() error {
		if !strings.Contains(p.Output(), "Stopping") {
			return errors.New("it does not stop")
		}
		if _, err := send(http.MethodGet, p.url+"/-/healthy", ""); err == nil {
			return errors.New("it still listens")
		}
		return nil
	})
	if _, err := fmt.Fprint(conn, message); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 200 ") {
		t.Errorf("the late message got %q, %v", rest, err)
	}
	select {
	case <-p.Exited():
		t.Fatalf("it did not wait for the command:\n%s", p.Output())
	default:
	}
	r.remove("hold")
	p.eventually("the end", func() error {
		select {
		case <-p.Exited():
			return nil
		default:
			return errors.New("it runs")
		}
	})

	// The outcome is there, and the verification goes on.
	p = start(t, r.dir)
	if got := p.incident(2).Incident.GroupLabels["alertname"]; got != "Late" {
		t.Errorf("the late message is lost: incident 2 is about %q", got)
	}
	if d := p.incident(1); d.Attempts[0].Applied.IsZero() || d.Attempts[0].Result == "" {
		t.Errorf("the outcome was not recorded: %+v", d.Attempts[0])
	}
	r.alertmanager.set()
	p.eventually("the end of the incident", func() error {
		if got := states(p.incident(1)); !slices.Equal(got, []receiver.AttemptState{receiver.AttemptVerified}) {
			return fmt.Errorf("attempts %v", got)
		}
		return nil
	})
	r.wantOneEffect()
	r.drain(p) // pages about the late alert
}
