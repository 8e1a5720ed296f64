package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// demoVar makes the test's program be the demo.
const demoVar = "CHRONOOPS_TEST_DEMO"

func TestMain(m *testing.M) {
	if os.Getenv(demoVar) != "" {
		os.Exit(run())
	}
	os.Exit(tests(m))
}

// tests runs all of them with a folder for what they share. Not t.TempDir, which is closed to the user that PostgreSQL runs
// as when we are root, and whose names are long for sockets.
func tests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chronoops-demo-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared = dir
	return m.Run()
}

// shared is the folder of all tests.
var shared string

// chronoops builds the product once for all tests.
var chronoops = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared, "chronoops")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../cmd/chronoops")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build chronoops: %w\n%s", err, out)
	}
	return path, nil
})

// demo starts the demo with a temporary folder of its own; out gets what it prints.
func demo(t *testing.T, tmp string, out io.Writer) (cmd *exec.Cmd, dir string) {
	t.Helper()
	path, err := chronoops()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(shared, tmp)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd = exec.Command(os.Args[0], "-chronoops="+path)
	cmd.Env = append(os.Environ(), demoVar+"=1", "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, dir
}

// TestDemo is the end-to-end test: the demo is what it says, and leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cmd, dir := demo(t, "whole", &out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Logf("%s", out.String())
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colors went to a pipe")
	}
	for n := 1; n <= 4; n++ {
		if !strings.Contains(out.String(), fmt.Sprintf("✓ %d of 4", n)) {
			t.Errorf("fault %d of 4 was not played", n)
		}
	}
	nothingRuns(t, dir)
	nothingLeft(t, dir)
}

// TestEndsEarly ends the demo while an API runs that chronoops has started: it is nobody's child.
func TestEndsEarly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		signal syscall.Signal
		code   int
		clean  bool // a killed program cannot remove its files; the next demo does
	}{
		{syscall.SIGINT, 130, true},
		{syscall.SIGKILL, -1, false},
	} {
		t.Run(tc.signal.String(), func(t *testing.T) {
			t.Parallel()
			out := &waiter{text: "✓ 2 of 4", seen: make(chan struct{})}
			cmd, dir := demo(t, tc.signal.String(), out)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-out.seen:
			case err := <-ended:
				t.Fatalf("ended before its time: %v\n%s", err, out)
			}
			if len(processes(dir)) < 8 {
				t.Errorf("processes %v: the test does not see all that run", processes(dir))
			}
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(time.Minute):
				_ = cmd.Process.Kill()
				t.Fatalf("does not end\n%s", out)
			}
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, out)
			}
			nothingRuns(t, dir)
			if tc.clean {
				nothingLeft(t, dir)
			}
		})
	}
}

// waiter is a buffer that tells when a text has come.
type waiter struct {
	text string
	seen chan struct{}

	mu  sync.Mutex
	buf bytes.Buffer
	is  bool
}

func (w *waiter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if !w.is && strings.Contains(w.buf.String(), w.text) {
		w.is = true
		close(w.seen)
	}
	return len(p), nil
}

func (w *waiter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// nothingRuns waits until no process is left that belongs to the folder.
func nothingRuns(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left := processes(dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left running: %v", left)
		}
	}
}

func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}

// processes lists those that name the folder in their arguments or environment, or work in it. Of ended ones that nobody has
// collected nothing can be read.
func processes(dir string) (list []string) {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range found {
		if filepath.Base(proc) == strconv.Itoa(os.Getpid()) {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(proc, "environ"))
		cwd, _ := os.Readlink(filepath.Join(proc, "cwd"))
		if strings.Contains(string(args), dir) || strings.Contains(string(env), dir) || strings.HasPrefix(cwd, dir) {
			list = append(list, filepath.Base(proc)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return list
}
