package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
)

// month lets files be old although nothing can set their status change time: the tests' clock is ahead.
const month = 30 * 24 * time.Hour

func ahead() time.Time { return time.Now().Add(month) }

// tree writes files of the given sizes below a new root; mtime falls by a day with each.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		write(t, filepath.Join(root, name), 100, time.Now().Add(-time.Duration(i)*24*time.Hour))
	}
	return root
}

func write(t *testing.T, path string, size int, mtime time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, mtime, mtime); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() { // reading a directory may change its access time, but nothing else
			fmt.Fprintf(&b, "%s %s %d %s\n", strings.TrimPrefix(path, root), info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func with(root string, more ...any) map[string]any {
	w := map[string]any{"roots": root, "older_than": "7d", "patterns": []any{"*.log.*"}}
	for i := 0; i < len(more); i += 2 {
		w[more[i].(string)] = more[i+1]
	}
	return w
}

func params(t *testing.T, c *Clean, w map[string]any) action.Params {
	t.Helper()
	p, err := c.Spec().Resolve(w, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPlan(t *testing.T, c *Clean, w map[string]any) receiver.Plan {
	t.Helper()
	plan, err := c.Plan(t.Context(), params(t, c, w))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestConformance(t *testing.T) {
	actiontest.Suite{
		New: func(t *testing.T) actiontest.Bench {
			root := tree(t, "a.log", "a.log.1", "a.log.2", "sub/b.log.3")
			return actiontest.Bench{
				Action: New(Options{Roots: []string{root, "/etc", "/home/ops"}, Now: ahead}),
				With:   with(root),
				State:  func(t testing.TB) string { return list(t, root) },
			}
		},
		Broken: func(t *testing.T) actiontest.Bench {
			root := tree(t)
			gone := filepath.Join(root, "gone")
			return actiontest.Bench{Action: New(Options{Roots: []string{gone}, Now: ahead}), With: with(gone)}
		},
		Refused: map[string]actiontest.Refusal{
			"no roots":         {Change: map[string]any{"roots": nil}, Want: `"roots" is missing`},
			"empty roots":      {Change: map[string]any{"roots": []any{}}, Want: "the list is empty"},
			"relative root":    {Change: map[string]any{"roots": "var/log"}, Want: "does not match /.*"},
			"unlisted root":    {Change: map[string]any{"roots": "/var/log/other"}, Want: "not configured"},
			"dots":             {Change: map[string]any{"roots": "/var/log/../lib"}, Want: "absolute and plain"},
			"file system root": {Change: map[string]any{"roots": "/"}, Want: "too much would be at stake"},
			"etc":              {Change: map[string]any{"roots": "/etc"}, Want: "too much would be at stake"},
			"below usr":        {Change: map[string]any{"roots": "/usr/local/share"}, Want: "too much would be at stake"},
			"var":              {Change: map[string]any{"roots": "/var"}, Want: "too much would be at stake"},
			"a home":           {Change: map[string]any{"roots": "/home/ops"}, Want: "too much would be at stake"},
			"label in root":    {Change: map[string]any{"roots": "/var/log/{{ .Labels.app }}"}, Want: "templates are not allowed"},
			"no age":           {Change: map[string]any{"older_than": nil}, Want: `"older_than" is missing`},
			"zero age":         {Change: map[string]any{"older_than": "0s"}, Want: "older_than must be above zero"},
			"no patterns":      {Change: map[string]any{"patterns": nil}, Want: `"patterns" is missing`},
			"bad pattern":      {Change: map[string]any{"patterns": "[a"}, Want: "not a glob"},
			"path pattern":     {Change: map[string]any{"patterns": "*/a"}, Want: "does not match"},
			"no budget":        {Change: map[string]any{"max_bytes": "0B"}, Want: "must be positive"},
			"too many files":   {Change: map[string]any{"max_files": 100000}, Want: "not between 1 and 5000"},
			"bad goal":         {Change: map[string]any{"until_free": "120%"}, Want: "until_free"},
		},
	}.Run(t)
}

func TestPlanChoosesOldClosedFilesOldestFirst(t *testing.T) {
	root := tree(t, "1.log.a", "2.log.b", "x/3.log.c", "x/y/4.log.d", "5.txt", "6.log.e", "7.log.f")
	link := filepath.Join(root, "8.log.link")
	for _, err := range []error{
		os.Symlink("/etc/passwd", link),
		os.Mkdir(filepath.Join(root, "9.log.dir"), 0o755),
		os.Link(filepath.Join(root, "6.log.e"), filepath.Join(root, "other-name")),
		os.Chtimes(filepath.Join(root, "2.log.b"), ahead(), ahead()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(filepath.Join(root, "7.log.f"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()

	c := New(Options{Roots: []string{root}, Now: ahead})
	plan := mustPlan(t, c, with(root))
	var got []string
	for _, s := range plan.Steps {
		name, _, _ := strings.Cut(strings.TrimPrefix(s, "delete "+root+"/"), " ")
		got = append(got, name)
	}
	if d := cmp.Diff([]string{"x/y/4.log.d", "x/3.log.c", "1.log.a"}, got); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	if want := "; left alone: 1 open, 1 with several hard links"; !strings.HasSuffix(plan.Summary, want) {
		t.Errorf("summary %q does not end with %q", plan.Summary, want)
	}
	// By the real clock every file is young, as its status has just changed.
	c.now = time.Now
	if _, err := c.Plan(t.Context(), params(t, c, with(root))); !errors.Is(err, action.ErrNothingToDo) {
		t.Errorf("files with a fresh status change: %v, want nothing to do", err)
	}
}

func TestLimits(t *testing.T) {
	root := tree(t, "1.log.a", "2.log.a", "3.log.a", "4.log.a", "5.log.a")
	write(t, filepath.Join(root, "6.log.a"), 10_000, time.Now().Add(-300*24*time.Hour))
	c := New(Options{Roots: []string{root}, Now: ahead})
	plan := mustPlan(t, c, with(root, "max_bytes", "350B", "max_files", 5))
	res, err := c.Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	// Of the five oldest the large one does not fit; of the other four three do.
	if want := "deleted 3 files, 300 B"; res.Summary != want {
		t.Errorf("%q, want %q", res.Summary, want)
	}
	for name, there := range map[string]bool{"1": true, "2": true, "3": false, "4": false, "5": false, "6": true} {
		if _, err := os.Lstat(filepath.Join(root, name+".log.a")); (err == nil) != there {
			t.Errorf("%s: %v, want there %v", name, err, there)
		}
	}
	if want := "; left alone: 2 beyond max_bytes, 1 beyond max_files"; !strings.HasSuffix(plan.Summary, want) {
		t.Errorf("summary %q does not end with %q", plan.Summary, want)
	}
	// A plan that was enlarged after it was made is held to the limits too.
	plan.Params["max_bytes"] = "50B"
	if _, err := c.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) {
		t.Errorf("apply beyond the budget: %v", err)
	}
}

func TestUntilFree(t *testing.T) {
	root := tree(t, "1.log.a", "2.log.a")
	c := New(Options{Roots: []string{root}, Now: ahead})
	enough := mustPlan(t, c, with(root, "until_free", "1B"))
	if _, err := c.Apply(t.Context(), enough); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "enough is free") {
		t.Errorf("apply with enough free: %v", err)
	}
	if err := c.Verify(t.Context(), enough); err != nil {
		t.Errorf("verify with enough free: %v", err)
	}
	never := mustPlan(t, c, with(root, "until_free", "100%"))
	if _, err := c.Apply(t.Context(), never); err != nil {
		t.Error(err)
	}
	if err := c.Verify(t.Context(), never); err == nil || errors.Is(err, action.ErrUnknown) || !strings.Contains(err.Error(), "want 100%") {
		t.Errorf("verify with too little free: %v", err)
	}
}

func TestApplyStopsWhenCancelled(t *testing.T) {
	root := tree(t, "1.log.a", "2.log.a", "3.log.a")
	c := New(Options{Roots: []string{root}, Now: ahead})
	plan := mustPlan(t, c, with(root))
	ctx, cancel := context.WithCancel(t.Context())
	c.pause = func(step, _ string) {
		if step == "checked" {
			cancel()
		}
	}
	res, err := c.Apply(ctx, plan)
	if !errors.Is(err, context.Canceled) || errors.Is(err, action.ErrNotApplied) || !strings.HasPrefix(res.Summary, "deleted 1 file,") {
		t.Errorf("got %q, %v", res.Summary, err)
	}
	if e, err := c.Inspect(t.Context(), plan); e != action.EffectUnknown || err != nil {
		t.Errorf("inspect of a half done plan: %v, %v", e, err)
	}
}

func TestRootsAreJudged(t *testing.T) {
	base := tree(t, "real/a.log.1")
	for _, err := range []error{os.Symlink(filepath.Join(base, "real"), filepath.Join(base, "link")), os.Mkdir(filepath.Join(base, "state"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	join := func(s string) string { return filepath.Join(base, s) }
	c := New(Options{
		Roots: []string{base, join("real"), join("link"), join("link/x"), join("state"), join("real/a.log.1")}, Now: ahead,
		Protected: []string{join("state")},
	})
	for _, tc := range []struct {
		roots []any
		want  string
	}{
		{[]any{join("link")}, "name the real directory"},
		{[]any{join("real/a.log.1")}, "symlink or no directory"},
		{[]any{join("state")}, "protected"},
		{[]any{base}, "protected"},
	} {
		_, err := c.Plan(t.Context(), params(t, c, with("", "roots", tc.roots)))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want %q", tc.roots, err, tc.want)
		}
	}
	c.protected = nil
	if _, err := c.Resource(params(t, c, with("", "roots", []any{join("real"), base}))); err == nil || !strings.Contains(err.Error(), "outer one alone") {
		t.Errorf("nested roots: %v", err)
	}
	got, err := c.Resource(params(t, c, with("", "roots", []any{join("state"), join("real")})))
	if want := "files" + join("real") + ":" + join("state"); got != want || err != nil {
		t.Errorf("resource %q, %v, want %q", got, err, want)
	}
}
