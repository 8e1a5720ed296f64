package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
)

// script writes an executable shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "act")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// configured returns the action with one step as its configuration.
func configured(t *testing.T, with map[string]any) *Run {
	t.Helper()
	r := New(Options{Grace: 200 * time.Millisecond})
	p, err := r.Spec().Static(with)
	if err != nil {
		t.Fatal(err)
	}
	r.allowed = []Command{FromParams(p)}
	return r
}

func planFor(t *testing.T, r *Run, with map[string]any, labels map[string]string) receiver.Plan {
	t.Helper()
	p, err := r.Spec().Resolve(with, labels)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := r.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestConformance(t *testing.T) {
	actiontest.Suite{
		New: func(t *testing.T) actiontest.Bench {
			mark := filepath.Join(t.TempDir(), "mark")
			with := map[string]any{
				"argv":        []any{script(t, `echo "$@" >>`+mark), "--at={{ .Labels.mountpoint }}"},
				"patterns":    map[string]any{"mountpoint": "/[a-z/]*"},
				"env":         map[string]any{"MODE": "fix"},
				"verify_argv": []any{script(t, "test -s "+mark)},
			}
			return actiontest.Bench{
				Action: configured(t, with), With: with, Labels: map[string]string{"mountpoint": "/var"},
				State: func(testing.TB) string { b, _ := os.ReadFile(mark); return string(b) },
			}
		},
		Hung: func(t *testing.T) actiontest.Bench {
			hang := script(t, `trap "" TERM; while :; do sleep 1; done`)
			with := map[string]any{"argv": hang, "verify_argv": hang}
			return actiontest.Bench{Action: configured(t, with), With: with}
		},
		Broken: func(t *testing.T) actiontest.Bench {
			with := map[string]any{"argv": filepath.Join(t.TempDir(), "missing")}
			return actiontest.Bench{Action: configured(t, with), With: with}
		},
		Refused: map[string]actiontest.Refusal{
			"no argv":           {Change: map[string]any{"argv": nil}, Want: `"argv" is missing`},
			"not configured":    {Change: map[string]any{"argv": []any{"/bin/true"}}, Want: "is not configured"},
			"relative":          {Change: map[string]any{"argv": []any{"true"}}, Want: "absolute and plain path"},
			"other environment": {Change: map[string]any{"env": map[string]any{"MODE": "break"}}, Want: "is not configured"},
			"no environment":    {Change: map[string]any{"env": nil}, Want: "is not configured"},
			"other verify":      {Change: map[string]any{"verify_argv": "/bin/true"}, Want: "is not configured"},
			"PATH":              {Change: map[string]any{"env": map[string]any{"PATH": "/tmp"}}, Want: "PATH may not be set"},
			"preload":           {Change: map[string]any{"env": map[string]any{"LD_PRELOAD": "/tmp/x.so"}}, Want: "LD_PRELOAD may not be set"},
			"bad name":          {Change: map[string]any{"env": map[string]any{"A=B": "c"}}, Want: "not the name of a variable"},
			"label as program":  {Change: map[string]any{"argv": []any{"{{ .Labels.mountpoint }}"}}, Want: "may not be a template"},
			"unguarded label":   {Change: map[string]any{"patterns": nil}, Want: "has no pattern"},
			"refused label":     {Change: map[string]any{"patterns": map[string]any{"mountpoint": "/home"}}, Want: "does not match its pattern"},
			"bad timeout":       {Change: map[string]any{"timeout": "soon"}, Want: "not a duration"},
			"bad resource":      {Change: map[string]any{"resource": "everything"}, Want: "does not match"},
		},
	}.Run(t)
}

func TestAllowListMatchesConfiguredTemplates(t *testing.T) {
	with := map[string]any{
		"argv": []any{"/bin/echo", "at", "{{ .Labels.mountpoint }}"}, "patterns": map[string]any{"mountpoint": "/[a-z/]*"},
	}
	r := configured(t, with)
	for _, tc := range []struct {
		argv []any
		ok   bool
	}{
		{[]any{"/bin/echo", "at", "/var"}, true},
		{[]any{"/bin/echo", "at", "/Var"}, false},
		{[]any{"/bin/echo", "at", "-n"}, false},
		{[]any{"/bin/echo", "off", "/var"}, false},
		{[]any{"/bin/echo", "at"}, false},
		{[]any{"/bin/echo", "at", "/var", "more"}, false},
		{[]any{"/bin/rm", "at", "/var"}, false},
	} {
		p := action.Params{"argv": tc.argv, "patterns": map[string]any{"mountpoint": ".*"}} // a caller's patterns count for nothing
		if _, err := r.Resource(p); (err == nil) != tc.ok {
			t.Errorf("%q: %v, want ok %v", tc.argv, err, tc.ok)
		}
	}
	p, err := r.Spec().Static(with)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := r.Resource(p); name != "command/bin/echo" || err != nil {
		t.Errorf("resource of the configured step: %q, %v", name, err)
	}
	if _, err := r.Plan(t.Context(), p); err == nil || !strings.Contains(err.Error(), "no labels filled in") {
		t.Errorf("plan with templates: %v", err)
	}
}

func TestCodeIsNoArgument(t *testing.T) {
	for _, tc := range []struct {
		argv string
		want string // "" means allowed
	}{
		{"/bin/sh -c id", "runs a text as code"},
		{"/bin/bash -ec id", "runs a text as code"},
		{"/bin/bash -o errexit -c id", "runs a text as code"},
		{"/usr/bin/timeout 5 sh -c id", "runs a text as code"},
		{"/usr/bin/python3 -c id", "runs a text as code"},
		{"/usr/bin/perl -ne id", "runs a text as code"},
		{"/usr/bin/node --eval=id", "runs a text as code"},
		{"/usr/bin/env sh", "only starts another program"},
		{"/usr/bin/sudo id", "only starts another program"},
		{"/bin/busybox sh", "only starts another program"},
		{"/bin/sh {{.Labels.x}}", "may not come from a label"},
		{"/usr/bin/python3.11 -u {{.Labels.x}}", "may not come from a label"},
		{"/bin/sh -e /opt/fix.sh -c {{.Labels.x}}", ""},
		{"/usr/bin/python3 /opt/fix.py {{.Labels.x}}", ""},
		{"/opt/fix -c {{.Labels.x}}", ""},
	} {
		err := checkInterpreter(strings.Fields(tc.argv))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.argv, err, tc.want)
		}
	}
	// A link with a harmless name is still a shell.
	link := filepath.Join(t.TempDir(), "harmless")
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect([]string{link, "-c", "id"}); err == nil || !strings.Contains(err.Error(), "runs a text as code") {
		t.Errorf("a link to a shell: %v", err)
	}
}

func TestProgramMustBeTrustworthy(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"writable by group":  {func(p string) error { return os.Chmod(p, 0o770) }, "chmod go-w"},
		"writable by others": {func(p string) error { return os.Chmod(p, 0o702) }, "chmod go-w"},
		"not executable":     {func(p string) error { return os.Chmod(p, 0o600) }, "chmod +x"},
		"open directory":     {func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, "chmod o-w"},
		"a directory":        {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, "not a regular file"},
		"missing":            {os.Remove, "no such file"},
		"replaced": {func(p string) error {
			return errors.Join(os.Rename(p, p+".old"), os.WriteFile(p, []byte("#!/bin/sh\n"), 0o700))
		}, "not the program that was planned"},
		"changed": {func(p string) error { return os.WriteFile(p, []byte("#!/bin/sh\n#\n"), 0o700) }, "not the program that was planned"},
	} {
		t.Run(name, func(t *testing.T) {
			with := map[string]any{"argv": script(t, "true")}
			r := configured(t, with)
			plan := planFor(t, r, with, nil)
			if err := tc.change(with["argv"].(string)); err != nil {
				t.Fatal(err)
			}
			_, err := r.Apply(t.Context(), plan)
			if !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("apply: %v, want %q", err, tc.want)
			}
			if strings.HasPrefix(tc.want, "not the program") {
				return
			}
			if _, err := r.Plan(t.Context(), action.Params(plan.Params)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("plan: %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSurroundings(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "inherited")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(secret, unix.O_RDONLY, 0) // without O_CLOEXEC, as if this process had been started with it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	t.Setenv("CHRONOOPS_TEST_SECRET", "hunter2")
	with := map[string]any{
		"argv": script(t, `env | grep -v ^PWD= | grep -v ^_= | sort; pwd; ls -l /proc/$$/fd/ | sed 's/.* -> //'; cat; ps -o sid= -p $$ 2>/dev/null | tr -d ' '; echo "$$"`),
		"env":  map[string]any{"MODE": "fix"},
	}
	r := configured(t, with)
	res, err := r.Apply(t.Context(), planFor(t, r, with, nil))
	if err != nil {
		t.Fatal(err, res)
	}
	out := strings.Join(res.Details, "\n")
	if want := "LANG=C\nMODE=fix\n" + searchPath + "\n/\n"; !strings.HasPrefix(out, want) {
		t.Errorf("environment and directory\n%s\nwant\n%s", out, want)
	}
	if strings.Contains(out, "inherited") || strings.Contains(out, "hunter2") {
		t.Errorf("inherited more than it should:\n%s", out)
	}
	if !strings.Contains(out, "/dev/null") {
		t.Errorf("standard input is not /dev/null:\n%s", out)
	}
}

func TestOutputIsBounded(t *testing.T) {
	with := map[string]any{"argv": script(t, `yes 'a long line of output' | head -n 20000; printf 'last \033[31m\377\tline'`)}
	r := configured(t, with)
	res, err := r.Apply(t.Context(), planFor(t, r, with, nil))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(res.Details, "\n")
	if len(all) > maxOutput+200 || len(res.Details) > 52 || !utf8.ValidString(all) {
		t.Errorf("%d bytes, %d lines, valid %v", len(all), len(res.Details), utf8.ValidString(all))
	}
	if last := res.Details[len(res.Details)-1]; last != "last \uFFFD[31m\uFFFD    line" {
		t.Errorf("last line %q", last)
	}
	if want := "… (the end of 440016 bytes of output)"; res.Details[0] != want {
		t.Errorf("first line %q, want %q", res.Details[0], want)
	}
}

func TestFailureIsAnErrorWithOutput(t *testing.T) {
	with := map[string]any{"argv": script(t, "echo cannot >&2; exit 3")}
	r := configured(t, with)
	plan := planFor(t, r, with, nil)
	res, err := r.Apply(t.Context(), plan)
	if err == nil || errors.Is(err, action.ErrNotApplied) || !strings.HasSuffix(err.Error(), "exit status 3") {
		t.Errorf("apply: %v", err)
	}
	if d := cmp.Diff([]string{"cannot"}, res.Details); d != "" {
		t.Error(d)
	}
	if action.Repeatable(r, plan) {
		t.Error("a command is repeatable though nobody said so")
	}
	with["idempotent"] = true
	if !action.Repeatable(r, planFor(t, r, with, nil)) {
		t.Error("an idempotent command is not repeatable")
	}
}

func TestVerify(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		change  func(path string) error
		want    string
		unknown bool
	}{
		"works":          {"true", nil, "", false},
		"does not":       {"echo still broken; exit 1", nil, "not worked: exit status 1: still broken", false},
		"too slow":       {"sleep 1000", nil, "timeout of 300ms", true},
		"cannot be run":  {"true", os.Remove, "no such file", true},
		"no longer safe": {"true", func(p string) error { return os.Chmod(p, 0o777) }, "chmod go-w", true},
	} {
		t.Run(name, func(t *testing.T) {
			verify := script(t, tc.text)
			with := map[string]any{"argv": script(t, "true"), "verify_argv": verify, "timeout": "1m"}
			if name == "too slow" {
				with["timeout"] = "300ms"
			}
			r := configured(t, with)
			plan := planFor(t, r, with, nil)
			if tc.change != nil {
				if err := tc.change(verify); err != nil {
					t.Fatal(err)
				}
			}
			err := r.Verify(t.Context(), plan)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && err == nil:
				t.Errorf("verify: %v, want %q", err, tc.want)
			case err != nil && (!strings.Contains(err.Error(), tc.want) || errors.Is(err, action.ErrUnknown) != tc.unknown):
				t.Errorf("verify: %v, want %q, unknown %v", err, tc.want, tc.unknown)
			}
		})
	}
}

// TestNothingIsLeftRunning ends programs in each way, with children that do not listen to SIGTERM.
func TestNothingIsLeftRunning(t *testing.T) {
	const stubborn = `sh -c 'trap "" TERM; echo $$ >>%[1]s; while :; do sleep 1; done' &
sh -c 'trap "" TERM; echo $$ >>%[1]s; while :; do sleep 1; done' &
while [ "$(wc -l <%[1]s)" -lt 2 ]; do sleep 0.01; done
`
	for name, tc := range map[string]struct {
		then string
		end  bool // by cancelling
		want string
	}{
		"cancelled":          {"wait", true, "stopped: someone said so"},
		"leader ends first":  {"exit 0", false, ""},
		"leader fails first": {"exit 4", false, "exit status 4"},
		"leader is killed":   {"kill -KILL $$", false, "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			if err := os.WriteFile(pids, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			with := map[string]any{"argv": script(t, "echo $$ >"+pids+".leader\n"+fmt.Sprintf(stubborn, pids)+tc.then)}
			r := configured(t, with)
			plan := planFor(t, r, with, nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tc.end {
				go func() {
					for {
						if b, _ := os.ReadFile(pids); strings.Count(string(b), "\n") == 2 {
							cancel(errors.New("someone said so"))
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
			}
			res, err := r.Apply(ctx, plan)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("apply: %v, want %q", err, tc.want)
			}
			if said := strings.Contains(strings.Join(res.Details, "\n"), "left behind were ended"); said == tc.end {
				t.Errorf("details %q", res.Details)
			}
			b, err := os.ReadFile(pids)
			if err != nil {
				t.Fatal(err)
			}
			list := strings.Fields(string(b))
			if len(list) != 2 {
				t.Fatalf("pids %q: the test shows nothing", b)
			}
			leader, err := os.ReadFile(pids + ".leader")
			if err != nil {
				t.Fatal(err)
			}
			for _, pid := range append(list, strings.TrimSpace(string(leader))) {
				if alive(t, pid) {
					t.Errorf("process %s is still there", pid)
				}
			}
		})
	}
}

func TestSessionOfItsOwnLivesOn(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	with := map[string]any{"argv": script(t, `setsid sh -c 'echo $$ >`+pidFile+`; exec sleep 1000' &
while [ ! -s `+pidFile+` ]; do sleep 0.01; done`)}
	r := configured(t, with)
	if _, err := r.Apply(t.Context(), planFor(t, r, with, nil)); err != nil { // although it holds the output open
		t.Fatal(err)
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(b))
	if !alive(t, pid) {
		t.Errorf("process %s is gone", pid)
	}
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(n, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func alive(t *testing.T, pid string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	state := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))[0]
	return state != "Z" && state != "X"
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb"), 3)
	f.Add([]byte("\xff\x00\x1b[0m\r\n\t"), 9000)
	f.Fuzz(func(t *testing.T, b []byte, times int) {
		var out tail
		for range min(max(times, 0), 10_000) {
			_, _ = out.Write(b)
		}
		lines := out.lines()
		all := strings.Join(lines, "\n")
		if len(lines) > maxLines+1 || !utf8.ValidString(all) || strings.ContainsAny(all, "\x00\x1b\r\t") {
			t.Errorf("%d lines: %q", len(lines), all)
		}
	})
}
