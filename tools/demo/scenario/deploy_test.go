package scenario

import (
	"strings"
	"testing"

	"github.com/chronoops/chronoops/deploy"
)

func TestShortenedRulesDifferOnlyInPace(t *testing.T) {
	t.Parallel()
	files, err := shortened()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5 {
		t.Errorf("%d files, want all that are shipped", len(files))
	}
	host := files["rules/chronoops/host.yml"]
	for want, n := range map[string]int{"for: 2s": 1, "for: 10m": 2} { // DiskSpaceLow; HighCPUUsage and HighMemoryUsage
		if got := strings.Count(host, want); got != n {
			t.Errorf("host.yml holds %q %d times, want %d:\n%s", want, got, n, host)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	const text = `
      - record: A
        expr: up
      - alert: A
        expr: up[5m]
        for: 5m
        keep_firing_for: 5m
      - alert: B
        for: 10m
      - alert: AB
        for: 10m`
	got, n := shorten(text, map[string]string{"A": "2s"})
	if want := strings.Replace(text, "\n        for: 5m", "\n        for: 2s", 1); got != want || n != 1 {
		t.Errorf("%d changes:\n%s", n, got)
	}
}

func TestSubstituteWantsEveryText(t *testing.T) {
	t.Parallel()
	got, err := substitute("a: 1\nb: 1\n", "a: 1", "a: 2")
	if err != nil || got != "a: 2\nb: 1\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := substitute(deploy.Prometheus, "no such line", ""); err == nil {
		t.Error("a text that is not there was replaced")
	}
}
