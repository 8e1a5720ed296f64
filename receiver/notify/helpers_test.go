package notify

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/receiver"
)

var update = flag.Bool("update", false, "write the golden files")

// file is the part of a configuration file that this package reads, and the escalation beside it.
type file struct {
	Config     `yaml:",inline"`
	Heartbeat  HeartbeatConfig `yaml:"heartbeat,omitempty"`
	Escalation any             `yaml:"escalation,omitempty"`
}

func load(text string) (file, error) {
	var f file
	err := yaml.Load([]byte(text), &f, yaml.WithKnownFields())
	return f, err
}

// newNotifier builds a Notifier from the YAML of a configuration file.
func newNotifier(t *testing.T, text string, options ...func(*Options)) *Notifier {
	t.Helper()
	f, err := load(text)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	o := Options{
		Config: f.Config, Instance: "web1", ExternalURL: "https://ops.example.com", Version: "1.2.3",
		Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&o)
	}
	n, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return n
}

func notice(kind receiver.NoticeKind) receiver.Notice {
	n := receiver.Notice{
		ID: "page-7", Incident: 42, Kind: kind, Priority: receiver.P0, Level: 1,
		Title:    "The API on web1 does not answer",
		Summary:  "Three probes of /health failed in a row.\nA restart was tried and did not help.",
		Facts:    []receiver.Fact{{Name: "Last status", Value: "503"}, {Name: "Repair", Value: "systemd.restart failed verification"}},
		Links:    []receiver.Link{{Text: "Incident", URL: "https://ops.example.com/incidents/42?a=1&b=2"}, {Text: "Bad", URL: "javascript:alert(1)"}},
		Labels:   map[string]string{"alertname": "ApiDown", "instance": "web1"},
		Timeline: []string{"10:00 firing", "10:01 restart applied", "10:04 verification failed"},
		Since:    time.Date(2025, 3, 1, 10, 0, 0, 0, time.UTC),
		Now:      time.Date(2025, 3, 1, 10, 5, 0, 0, time.UTC),
	}
	if kind.Closes() {
		n.ID, n.Title = "page-8", "The API on web1 answers again"
	}
	return n
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got), run with -update after checking:\n%s", path, d)
	}
}

func mustContain(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q lacks %q", text, p)
		}
	}
}

func mustLack(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q holds %q", text, p)
		}
	}
}

// outcome checks a send's error and returns it for further looks.
func outcome(t *testing.T, err error, want receiver.SendOutcome, reason string) *receiver.SendError {
	t.Helper()
	if want == receiver.SendDelivered {
		if err != nil {
			t.Fatalf("not delivered: %v", err)
		}
		return nil
	}
	e := &receiver.SendError{}
	ok := errors.As(err, &e)
	if !ok {
		t.Fatalf("error %v (%T), want a *receiver.SendError", err, err)
	}
	if e.Outcome != want || e.Reason != reason {
		t.Fatalf("outcome %s (%s), want %s (%s): %v", e.Outcome, e.Reason, want, reason, e.Err)
	}
	return e
}
