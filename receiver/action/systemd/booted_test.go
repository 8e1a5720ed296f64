package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
)

// role is set in the units of the booted machine that run this test again, inside.
const role = "CHRONOOPS_TEST_BOOTED"

// TestBooted boots a real systemd with a real D-Bus on a root file system of its own and runs itself as units of it.
func TestBooted(t *testing.T) {
	switch os.Getenv(role) {
	case "root":
		insideAsRoot(t)
	case "ordinary":
		insideAsOrdinaryUser(t)
	default:
		if os.Geteuid() != 0 {
			t.Skip("only root may boot a systemd in namespaces of its own")
		}
		boot(t)
	}
}

func boot(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("out/systemd.test", string(binary), 0o755)
	write("out/tmp/.keep", "", 0o644)
	if err := os.Chmod(filepath.Join(dir, "out/tmp"), 0o777); err != nil { // for the ordinary user inside
		t.Fatal(err)
	}
	// No unit has default dependencies: they would start what a machine needs at boot.
	unit := func(name, text string) { write("units/"+name, "[Unit]\nDefaultDependencies=no\n"+text+"\n", 0o644) }
	unit("boot.target", "Requires=dbus.service\nWants=demo.service flapping.service ordinary.service root.service")
	unit("dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket")
	unit("dbus.service", "Requires=dbus.socket\n[Service]\n"+
		"ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only")
	unit("demo.service", "StartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity")
	unit("flapping.service", "StartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 0.2\nRestart=always\nRestartSec=50ms")
	unit("broken.service", "[Service]\nType=oneshot\nExecStart=/bin/false")
	unit("slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\nTimeoutStartSec=infinity")
	again := "[Service]\nType=oneshot\nExecStart=/run/out/systemd.test -test.run=^TestBooted$ -test.v\nStandardOutput=file:/run/out/%[1]s\n" +
		"StandardError=inherit\nEnvironment=" + role + "=%[1]s HOME=/ TMPDIR=/run/out/tmp\nTimeoutStartSec=120\n"
	unit("ordinary.service", "Requires=dbus.socket\nAfter=dbus.service demo.service\n"+fmt.Sprintf(again, "ordinary")+"User=nobody")
	unit("root.service", "Requires=dbus.socket\nAfter=dbus.service demo.service ordinary.service\nSuccessAction=exit-force\nFailureAction=exit-force\n"+
		fmt.Sprintf(again, "root"))

	cgroup := fmt.Sprintf("chronoops-test-%d", os.Getpid())
	t.Cleanup(func() { removeCgroup(t, cgroup) })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "testdata/enter.sh", dir, cgroup)
	cmd.WaitDelay = 10 * time.Second
	console, err := cmd.CombinedOutput()
	for _, as := range []string{"ordinary", "root"} {
		out, readErr := os.ReadFile(filepath.Join(dir, "out", as))
		if readErr != nil || !strings.Contains(string(out), "--- PASS: TestBooted") || strings.Contains(string(out), "--- FAIL") {
			t.Errorf("the test inside as %s did not pass: %v\n%s", as, readErr, out)
		}
	}
	if t.Failed() {
		t.Logf("systemd ended with %v; its console:\n%s", err, console)
	}
}

// removeCgroup removes the test's own cgroup with what systemd made below it.
func removeCgroup(t *testing.T, name string) {
	for _, hierarchy := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup"} {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := os.Remove(dir); err != nil {
				t.Errorf("remove the test's cgroup: %v", err)
			}
		}
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
