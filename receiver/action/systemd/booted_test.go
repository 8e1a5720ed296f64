package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
	"github.com/chronoops/chronoops/tools/booted"
)

// TestBooted runs itself on a real systemd with a real D-Bus.
func TestBooted(t *testing.T) {
	switch booted.Role() {
	case booted.Root:
		insideAsRoot(t)
	case booted.Ordinary:
		insideAsOrdinaryUser(t)
	default:
		booted.Boot(t, booted.Machine{
			Units: map[string]string{
				"demo.service":     "StartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity",
				"flapping.service": "StartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 0.2\nRestart=always\nRestartSec=50ms",
				"broken.service":   "[Service]\nType=oneshot\nExecStart=/bin/false",
				"slow.service":     "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\nTimeoutStartSec=infinity",
			},
			Wants: []string{"demo.service", "flapping.service"},
		})
	}
}

func onBus(t *testing.T, verb string) *Unit {
	t.Helper()
	units := []string{"demo.service", "flapping.service", "broken.service", "slow.service", "missing.service"}
	for _, a := range New(Options{Units: units}) {
		if u := a.(*Unit); u.verb == verb {
			return u
		}
	}
	t.Fatal("no such verb")
	return nil
}

func unitParams(unit string) action.Params { return action.Params{"unit": unit, "stable_for": "500ms"} }

func read(t testing.TB, unit string) state {
	t.Helper()
	conn, err := connectBus(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := look(context.Background(), conn, unit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bring(t *testing.T, unit, verb string) {
	t.Helper()
	conn, err := connectBus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if result, err := conn.Job(t.Context(), verb, unit); err != nil || result != "done" {
		t.Fatalf("%s %s: %q, %v", verb, unit, result, err)
	}
}

func insideAsRoot(t *testing.T) {
	for verb, before := range map[string]string{"restart": "start", "start": "stop", "stop": "start"} {
		t.Run(verb, func(t *testing.T) {
			actiontest.Suite{New: func(t *testing.T) actiontest.Bench {
				bring(t, "demo.service", before)
				w := map[string]any{"unit": "demo.service"}
				if verb != "stop" {
					w["stable_for"] = "50ms"
				}
				return actiontest.Bench{Action: onBus(t, verb), With: w, State: func(t testing.TB) string {
					s := read(t, "demo.service")
					return fmt.Sprint(s.active, s.pid, s.invocation)
				}}
			}}.Run(t)
		})
	}
	t.Run("unit that does not exist", func(t *testing.T) {
		_, err := onBus(t, "restart").Plan(t.Context(), unitParams("missing.service"))
		if err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Error(err)
		}
	})
	t.Run("unit that fails", func(t *testing.T) {
		u := onBus(t, "start")
		plan, err := u.Plan(t.Context(), unitParams("broken.service"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Apply(t.Context(), plan); err == nil || errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), `"failed"`) {
			t.Errorf("apply: %v", err)
		}
		if err := u.Verify(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "failed (failed), result exit-code") {
			t.Errorf("verify: %v", err)
		}
	})
	t.Run("unit that flaps is never verified", func(t *testing.T) {
		for read(t, "flapping.service").restarts == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		u := onBus(t, "restart")
		plan, err := u.Plan(t.Context(), unitParams("flapping.service"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Apply(t.Context(), plan); err != nil {
			t.Fatalf("apply: %v", err)
		}
		for read(t, "flapping.service").restarts < 3 {
			if err := u.Verify(t.Context(), plan); err == nil {
				t.Fatal("verified")
			}
		}
	})
	t.Run("job that does not end", func(t *testing.T) {
		u := onBus(t, "start")
		plan, err := u.Plan(t.Context(), unitParams("slow.service"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := u.Apply(ctx, plan); !errors.Is(err, action.ErrUnknown) || errors.Is(err, action.ErrNotApplied) {
			t.Errorf("apply: %v", err)
		}
		if e, err := u.Inspect(t.Context(), plan); e != action.EffectUnknown || err != nil {
			t.Errorf("inspect: %v, %v", e, err)
		}
		// A job that somebody else has queued for the unit is not replaced.
		stop := onBus(t, "stop")
		if plan, err = stop.Plan(t.Context(), unitParams("slow.service")); err != nil {
			t.Fatal(err)
		}
		if _, err := stop.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "another job") {
			t.Errorf("stop beside a start job: %v", err)
		}
	})
}

func insideAsOrdinaryUser(t *testing.T) {
	u := onBus(t, "restart")
	plan, err := u.Plan(t.Context(), unitParams("demo.service"))
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, "demo.service")
	if _, err := u.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "add a polkit rule") {
		t.Errorf("apply without permission: %v", err)
	}
	if after := read(t, "demo.service"); after.invocation != before.invocation {
		t.Error("the unit was restarted all the same")
	}
}
