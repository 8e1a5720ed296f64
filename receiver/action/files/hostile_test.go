package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver/action"
)

// TestTargetChangesAfterPlan lets others interfere between plan and apply.
func TestTargetChangesAfterPlan(t *testing.T) {
	old := time.Now().Add(-24 * time.Hour)
	for name, tc := range map[string]struct {
		change func(t *testing.T, root, victim string)
		want   string // why the file was left alone
	}{
		"replaced by symlink": {func(t *testing.T, root, victim string) {
			must(t, os.Remove(root+"/d/a.log.1"), os.Symlink(victim, root+"/d/a.log.1"))
		}, "changed since planned"},
		"replaced by a like file": {func(t *testing.T, root, _ string) {
			must(t, os.Rename(root+"/d/a.log.1", root+"/kept"))
			write(t, root+"/d/a.log.1", 100, old)
			info, err := os.Stat(root + "/kept")
			must(t, err, os.Chtimes(root+"/d/a.log.1", info.ModTime(), info.ModTime()))
		}, "changed since planned"},
		"replaced by an empty directory": {func(t *testing.T, root, _ string) {
			must(t, os.Remove(root+"/d/a.log.1"), os.Mkdir(root+"/d/a.log.1", 0o755))
		}, "changed since planned"},
		"grown": {func(t *testing.T, root, _ string) {
			write(t, root+"/d/a.log.1", 200, old)
		}, "changed since planned"},
		"modified again": {func(t *testing.T, root, _ string) {
			must(t, os.Chtimes(root+"/d/a.log.1", time.Now(), time.Now()))
		}, "changed since planned"},
		"hard linked": {func(t *testing.T, root, _ string) {
			must(t, os.Link(root+"/d/a.log.1", root+"/second"))
		}, "changed since planned"},
		"hard link of a file elsewhere": {func(t *testing.T, root, victim string) {
			must(t, os.Remove(root+"/d/a.log.1"), os.Link(victim, root+"/d/a.log.1"))
		}, "changed since planned"},
		"opened": {func(t *testing.T, root, _ string) {
			f, err := os.Open(root + "/d/a.log.1")
			must(t, err)
			t.Cleanup(func() { must(t, f.Close()) })
		}, "open"},
		"mapped": {func(t *testing.T, root, _ string) {
			f, err := os.Open(root + "/d/a.log.1")
			must(t, err)
			b, err := unix.Mmap(int(f.Fd()), 0, 100, unix.PROT_READ, unix.MAP_SHARED)
			must(t, err, f.Close())
			t.Cleanup(func() { must(t, unix.Munmap(b)) })
		}, "open"},
		"gone": {func(t *testing.T, root, _ string) {
			must(t, os.Remove(root+"/d/a.log.1"))
		}, "gone"},
		"directory replaced by symlink": {func(t *testing.T, root, victim string) {
			must(t, os.Rename(root+"/d", root+"/e"), os.Symlink(filepath.Dir(victim), root+"/d"))
		}, "changed since planned"},
		"directory replaced by symlink within the root": {func(t *testing.T, root, _ string) {
			must(t, os.Rename(root+"/d", root+"/e"), os.Symlink("e", root+"/d"))
		}, "changed since planned"},
		"directory gone": {func(t *testing.T, root, _ string) {
			must(t, os.Rename(root+"/d", root+"/e"))
		}, "gone"},
		"root replaced": {func(t *testing.T, root, _ string) {
			must(t, os.Rename(root, root+"-old"))
			write(t, root+"/d/a.log.1", 100, old)
			t.Cleanup(func() { must(t, os.RemoveAll(root+"-old")) })
		}, "not the directory that was planned"},
		"root replaced by symlink": {func(t *testing.T, root, victim string) {
			must(t, os.Rename(root, root+"-old"), os.Symlink(filepath.Dir(filepath.Dir(victim)), root))
			t.Cleanup(func() { must(t, os.RemoveAll(root+"-old")) })
		}, "name the real directory"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "d/a.log.1")
			victim := filepath.Join(tree(t, "d/a.log.1"), "d/a.log.1")
			c := New(Options{Roots: []string{root}, Now: ahead})
			plan := mustPlan(t, c, with(root))
			tc.change(t, root, victim)
			before := list(t, root)
			_, err := c.Apply(t.Context(), plan)
			if !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("apply: %v, want %q", err, tc.want)
			}
			if after := list(t, root); after != before {
				t.Errorf("changed\n%s to\n%s", before, after)
			}
			if _, err := os.Stat(victim); err != nil {
				t.Errorf("the file outside: %v", err)
			}
		})
	}
}

func TestTouchedFileIsYoung(t *testing.T) {
	root := tree(t, "a.log.1")
	c := New(Options{Roots: []string{root}, Now: ahead})
	plan := mustPlan(t, c, with(root))
	must(t, os.Chmod(root+"/a.log.1", 0o600)) // changes nothing but the status change time
	c.now = func() time.Time { return time.Now().Add(6 * 24 * time.Hour) }
	if _, err := c.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "touched since planned") {
		t.Errorf("apply: %v", err)
	}
}

// TestChangesWhileDeleting interferes in the middle of deleting one file.
func TestChangesWhileDeleting(t *testing.T) {
	for name, tc := range map[string]struct {
		step    string
		change  func(t *testing.T, root, victim string)
		deleted bool
	}{
		"directory swapped after it was opened": {"opened", func(t *testing.T, root, victim string) {
			must(t, os.Rename(root+"/d", root+"/e"), os.Symlink(filepath.Dir(victim), root+"/d"))
		}, true}, // the planned file, in the directory that was opened
		"file swapped after it was checked": {"checked", func(t *testing.T, root, victim string) {
			must(t, os.Rename(root+"/d/a.log.1", root+"/moved"), os.Symlink(victim, root+"/d/a.log.1"))
		}, false},
		"written after it was checked": {"checked", func(t *testing.T, root, _ string) {
			must(t, os.Chtimes(root+"/d/a.log.1", time.Now(), time.Now()))
		}, false},
		"opened after it was checked": {"checked", func(t *testing.T, root, _ string) {
			fd, err := unix.Open(root+"/d/a.log.1", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if !errors.Is(err, unix.EWOULDBLOCK) {
				t.Errorf("opening the file while it is deleted: fd %d, %v, want EWOULDBLOCK by the lease", fd, err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "d/a.log.1")
			victim := filepath.Join(tree(t, "d/a.log.1"), "d/a.log.1")
			c := New(Options{Roots: []string{root}, Now: ahead})
			plan := mustPlan(t, c, with(root))
			c.pause = func(step, _ string) {
				if step == tc.step {
					tc.change(t, root, victim)
				}
			}
			_, err := c.Apply(t.Context(), plan)
			if (err == nil) != tc.deleted || err != nil && !errors.Is(err, action.ErrNotApplied) {
				t.Errorf("apply: %v, want deleted %v", err, tc.deleted)
			}
			if _, err := os.Stat(victim); err != nil {
				t.Errorf("the file outside: %v", err)
			}
		})
	}
}

// TestOpennessMustBeKnown combines what the kernel's lease and the list of processes can say.
func TestOpennessMustBeKnown(t *testing.T) {
	noLease := func(int) (openness, error) { return unknown, unix.EACCES }
	for name, tc := range map[string]struct {
		proc  func(t *testing.T, dir string)
		lease func(int) (openness, error)
		hold  bool
		want  string // "" means deleted
	}{
		"lease granted, processes unknown":       {nil, takeLease, false, ""},
		"held open, only the kernel knows":       {nil, takeLease, true, "open"},
		"no lease, all processes seen":           {host, noLease, false, ""},
		"no lease, a process unreadable":         {func(t *testing.T, d string) { host(t, d); must(t, os.WriteFile(d+"/7", nil, 0o644)) }, noLease, false, "possibly open"},
		"no lease, other PID namespace":          {func(t *testing.T, d string) { host(t, d); namespace(t, d, "pid:[4026532001]") }, noLease, false, "possibly open"},
		"no lease, processes hidden":             {func(t *testing.T, d string) { namespace(t, d, hostPIDs) }, noLease, false, "possibly open"},
		"no lease, no error, processes unknown":  {nil, func(int) (openness, error) { return unknown, nil }, false, "possibly open"},
		"no lease, real processes, held by us":   {func(t *testing.T, d string) { must(t, os.Remove(d), os.Symlink("/proc", d)) }, noLease, true, "open"},
		"lease granted, but seen in a process":   {func(t *testing.T, d string) { must(t, os.Remove(d), os.Symlink("/proc", d)) }, func(int) (openness, error) { return closed, nil }, true, "open"},
		"no lease, process ends while looked at": {func(t *testing.T, d string) { host(t, d); must(t, os.Mkdir(d+"/9", 0o755)) }, noLease, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "a.log.1")
			c := New(Options{Roots: []string{root}, Now: ahead})
			plan := mustPlan(t, c, with(root))
			c.proc, c.lease = t.TempDir(), tc.lease
			if tc.proc != nil {
				tc.proc(t, c.proc)
			}
			if tc.hold {
				f, err := os.Open(root + "/a.log.1")
				must(t, err)
				defer f.Close()
			}
			_, err := c.Apply(t.Context(), plan)
			if tc.want == "" && err != nil {
				t.Errorf("apply: %v", err)
			}
			if tc.want != "" && (!errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "1 "+tc.want)) {
				t.Errorf("apply: %v, want %q", err, tc.want)
			}
		})
	}
}

// host makes a process list of one process that has nothing open, in the first PID namespace.
func host(t *testing.T, dir string) {
	namespace(t, dir, hostPIDs)
	must(t, os.MkdirAll(dir+"/1/fd", 0o755), os.WriteFile(dir+"/1/maps", nil, 0o644))
}

func namespace(t *testing.T, dir, pid string) {
	must(t, os.MkdirAll(dir+"/self/ns", 0o755))
	_ = os.Remove(dir + "/self/ns/pid")
	must(t, os.Symlink(pid, dir+"/self/ns/pid"))
}

// TestMountsAreNotCrossed uses real mounts where it may make some (as root), in a namespace of one thread.
func TestMountsAreNotCrossed(t *testing.T) {
	root := tree(t, "own/a.log.1", "bind/keep", "tmpfs/keep")
	outside := tree(t, "b.log.1")

	d, err := openRoot(root)
	must(t, err)
	defer d.Close()
	d.mount = "another"
	if _, err := d.sub("own"); !errors.Is(err, errElsewhere) {
		t.Errorf("a directory on another mount was entered: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread with its namespace ends with the goroutine
		done <- func() error {
			for _, err := range []error{
				unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS),
				unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""),
				unix.Mount("none", root+"/tmpfs", "tmpfs", 0, ""),
				unix.Mount(outside, root+"/bind", "", unix.MS_BIND, ""),
				os.WriteFile(root+"/tmpfs/c.log.1", []byte("x"), 0o644),
			} {
				if err != nil {
					return err
				}
			}
			c := New(Options{Roots: []string{root}, Now: ahead})
			p, err := c.Spec().Resolve(with(root), nil)
			if err != nil {
				return err
			}
			plan, err := c.Plan(t.Context(), p)
			if err != nil {
				return err
			}
			if len(plan.Steps) != 1 || !strings.Contains(plan.Steps[0], "/own/a.log.1") {
				return fmt.Errorf("steps %q cross a mount", plan.Steps)
			}
			// A mount that appears after the plan, over the directory of a planned file.
			if err := unix.Mount(outside, root+"/own", "", unix.MS_BIND, ""); err != nil {
				return err
			}
			if _, err := c.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) {
				return fmt.Errorf("apply across a mount: %w", err)
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(outside + "/b.log.1"); err != nil {
		t.Error(err)
	}
}

// TestNeverLeavesRootWhileTreeIsInMotion deletes while a directory turns into a symlink to its like outside and back.
func TestNeverLeavesRootWhileTreeIsInMotion(t *testing.T) {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("d/%d.log.1", i), fmt.Sprintf("d/e/%d.log.1", i))
	}
	outside := tree(t, names...)
	before := list(t, outside)
	root := tree(t)
	c := New(Options{Roots: []string{root}, Now: ahead})
	deleted := 0
	for range 40 {
		for _, name := range names {
			write(t, filepath.Join(root, name), 100, time.Now())
		}
		plan := mustPlan(t, c, with(root))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				dir := []string{"/d", "/d/e"}[i%2]
				err := errors.Join(
					os.Rename(root+dir, root+"/aside"), os.Symlink(outside+dir, root+dir),
					os.Remove(root+dir), os.Rename(root+"/aside", root+dir),
				)
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		_, err := c.Apply(t.Context(), plan)
		close(stop)
		wg.Wait()
		if err != nil && !errors.Is(err, action.ErrNotApplied) {
			t.Error(err)
		}
		left, err := filepath.Glob(root + "/d/*.log.1")
		must(t, err)
		deleted += 10 - len(left)
	}
	if after := list(t, outside); after != before {
		t.Errorf("outside the root\n%sbecame\n%s", before, after)
	}
	if deleted == 0 {
		t.Error("nothing was deleted at all: the test shows nothing")
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
