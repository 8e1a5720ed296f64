// Package booted boots a real systemd with a real D-Bus, on a root file system and in namespaces of its own, and runs a
// test as units of it. Nothing of the machine can be changed from there.
package booted

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

//go:embed enter.sh
var enter string

//go:embed boot.sh
var boot string

// roleVar is set in the units that run the test again, inside.
const roleVar = "CHRONOOPS_TEST_BOOTED"

// The users as whom a test runs inside, the ordinary one first. Outside of the machine Role is neither.
const (
	Ordinary = "ordinary"
	Root     = "root"
)

// Role tells as whom the test runs.
func Role() string { return os.Getenv(roleVar) }

// Machine is what is booted.
type Machine struct {
	Units map[string]string // the text of each unit; none has default dependencies, which would start a whole system
	Wants []string          // units that are started at boot
	Files map[string]string // programs by name, copied to /run/out; those of /usr are there
}

// Boot runs the calling test again inside of the machine, as each role, and reports how it ended. Only root can.
func Boot(t *testing.T, m Machine) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may boot a systemd in namespaces of its own")
	}
	self, err := os.Executable()
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
	copied := func(name, from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write("out/"+name, string(b), 0o755)
	}
	write("enter.sh", enter, 0o644)
	write("boot.sh", boot, 0o644)
	write("out/tmp/.keep", "", 0o644)
	if err := os.Chmod(filepath.Join(dir, "out/tmp"), 0o777); err != nil { // for the ordinary user inside
		t.Fatal(err)
	}
	copied("booted.test", self)
	for name, from := range m.Files {
		copied(name, from)
	}
	unit := func(name, text string) { write("units/"+name, "[Unit]\nDefaultDependencies=no\n"+text+"\n", 0o644) }
	for name, text := range m.Units {
		unit(name, text)
	}
	// It only wants the bus: were it to require it, a restart of the bus would restart it, and run the tests again.
	unit("boot.target", "Wants=dbus.service "+strings.Join(m.Wants, " ")+" ordinary.service root.service")
	unit("dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket")
	unit("dbus.service", "Requires=dbus.socket\n[Service]\n"+
		"ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only")
	again := "[Service]\nType=oneshot\nExecStart=/run/out/booted.test -test.run=^" + t.Name() + "$ -test.v\nStandardOutput=append:/run/out/%[1]s\n" +
		"ExecStopPost=/bin/sh -c 'echo $SERVICE_RESULT: $EXIT_CODE $EXIT_STATUS'\n" +
		"StandardError=inherit\nEnvironment=" + roleVar + "=%[1]s HOME=/ TMPDIR=/run/out/tmp\nTimeoutStartSec=120\n"
	after := "Requires=dbus.socket\nAfter=dbus.service " + strings.Join(m.Wants, " ")
	unit("ordinary.service", after+"\n"+fmt.Sprintf(again, Ordinary)+"User=nobody")
	unit("root.service", after+" ordinary.service\nSuccessAction=exit-force\nFailureAction=exit-force\n"+fmt.Sprintf(again, Root))

	cgroup := fmt.Sprintf("chronoops-test-%d", os.Getpid())
	t.Cleanup(func() { removeCgroup(t, cgroup) })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(dir, "enter.sh"), dir, cgroup)
	cmd.WaitDelay = 10 * time.Second
	console, err := cmd.CombinedOutput()
	for _, as := range []string{Ordinary, Root} {
		out, readErr := os.ReadFile(filepath.Join(dir, "out", as))
		if readErr != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) || strings.Contains(string(out), "--- FAIL") {
			t.Errorf("the test inside as %s did not pass: %v\n%s", as, readErr, out)
		}
	}
	if t.Failed() {
		t.Logf("systemd ended with %v; its console:\n%s", err, console)
	}
}

// removeCgroup removes the machine's cgroup with what systemd made below it.
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
