package collectortest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chronoops/chronoops/collector"
)

// Kind is a kind of target, and the metric that tells whether one is up.
type Kind struct{ Name, Up string }

// WantDown checks that the target is down for the reason, and that no part succeeded.
func (k Kind) WantDown(t testing.TB, o Outcome, reason string) {
	t.Helper()
	if got := o.Sample(k.Up); got != "0" {
		t.Errorf("%s = %q, want 0", k.Up, got)
	}
	if series := fmt.Sprintf("%s{kind=%q,reason=%q}", collector.Down.Name, k.Name, reason); o.Sample(series) != "1" {
		t.Errorf("no %s in\n%s", series, o.Text)
	}
	for part, ok := range o.Success {
		if ok {
			t.Errorf("part %s succeeded", part)
		}
	}
}

// WantUp checks that the target is up, and that all parts but the named ones succeeded.
func (k Kind) WantUp(t testing.TB, o Outcome, failed ...string) {
	t.Helper()
	if got := o.Sample(k.Up); got != "1" {
		t.Errorf("%s = %q, want 1\n%s", k.Up, got, o.Text)
	}
	for part, ok := range o.Success {
		if ok == slices.Contains(failed, part) {
			t.Errorf("part %s: success %v", part, ok)
		}
	}
}
