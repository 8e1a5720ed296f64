// Package files frees disk space by deleting old files beneath directories that the configuration names.
package files

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// The bounds of one run.
const (
	maxDepth     = 64    // directories below a root
	maxFilesEver = 5_000 // files in one plan
)

// Options say where files may be deleted.
type Options struct {
	Roots     []string         // the directories that configured steps name; no other is touched
	Protected []string         // paths that no root may contain or lie in, such as the folder of the state store
	Now       func() time.Time // the wall clock that file times are compared with; nil means time.Now
}

// Clean is the action files.clean.
type Clean struct {
	allowed   []string
	protected []string
	now       func() time.Time
	proc      string                         // where procfs is mounted
	lease     func(fd int) (openness, error) // asks the kernel whether anyone else has the file open
	pause     func(step, path string)        // nil outside tests
}

// New returns files.clean for the given roots.
func New(o Options) *Clean {
	c := &Clean{allowed: o.Roots, protected: o.Protected, now: o.Now, proc: "/proc", lease: takeLease}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// Spec implements action.Action.
func (c *Clean) Spec() action.Spec {
	return action.Spec{
		Name: "files.clean",
		Doc:  "Delete old files that nothing has open, oldest first and within a byte budget.",
		Privilege: "Write permission on the directories, and a way to know that a file is not open: own the files, or have " +
			"CAP_LEASE, or see every process (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, no PID namespace); what cannot be known to be closed is left alone.",
		Idempotent: true,
		CancelSafe: true,
		Params: []action.Param{
			{Name: "roots", Kind: action.Strings, Required: true, Pattern: "/.*", Doc: "directories to clean, with what lies below them; absolute and without symlinks"},
			{Name: "older_than", Kind: action.Duration, Required: true, Doc: "least age of a file by modification and by status change time"},
			{Name: "patterns", Kind: action.Strings, Required: true, Pattern: "[^/]+", Doc: "globs, of which a file's name must match one"},
			{Name: "max_bytes", Kind: action.Bytes, Default: "1GB", Doc: "most bytes to delete in one run"},
			{Name: "max_files", Kind: action.Int, Default: 1000, Doc: "most files to delete in one run, at most 5000"},
			{Name: "until_free", Kind: action.String, Doc: "stop when this much of each file system is free, and verify that it is: \"20%\" or \"5GB\""},
		},
	}
}

// request is what the parameters ask for.
type request struct {
	roots     []string // sorted
	olderThan time.Duration
	patterns  []string
	maxBytes  int64
	maxFiles  int
	until     freeGoal
}

// Resource implements action.Action; it names every root.
func (c *Clean) Resource(p action.Params) (string, error) {
	r, err := c.request(p)
	if err != nil {
		return "", err
	}
	return "files" + strings.Join(r.roots, ":"), nil
}

func (c *Clean) request(p action.Params) (request, error) {
	r := request{
		roots: slices.Clone(p.Strings("roots")), olderThan: p.Duration("older_than"), patterns: p.Strings("patterns"),
		maxBytes: p.Bytes("max_bytes"), maxFiles: p.Int("max_files"),
	}
	slices.Sort(r.roots)
	switch {
	case len(r.roots) == 0:
		return r, errors.New("files.clean: no roots: name the directories to clean")
	case len(r.patterns) == 0:
		return r, errors.New("files.clean: no patterns: name the files to delete, such as '*.log.*'")
	case r.olderThan <= 0:
		return r, errors.New("files.clean: older_than must be above zero")
	case r.maxBytes <= 0:
		return r, errors.New("files.clean: max_bytes must be a size above zero")
	case r.maxFiles < 1 || r.maxFiles > maxFilesEver:
		return r, fmt.Errorf("files.clean: max_files %d is not between 1 and %d", r.maxFiles, maxFilesEver)
	}
	for i, root := range r.roots {
		if err := c.checkRoot(root); err != nil {
			return r, fmt.Errorf("files.clean: %w", err)
		}
		if i > 0 && within(root, r.roots[i-1]) {
			return r, fmt.Errorf("files.clean: root %s lies in root %s: name the outer one alone", root, r.roots[i-1])
		}
	}
	for _, pattern := range r.patterns {
		if _, err := path.Match(pattern, ""); err != nil || strings.Contains(pattern, "/") {
			return r, fmt.Errorf("files.clean: pattern %q is not a glob on a file's name: want one such as '*.log.*'", pattern)
		}
	}
	var err error
	if s := p.String("until_free"); s != "" {
		if r.until, err = parseGoal(s); err != nil {
			return r, fmt.Errorf("files.clean: until_free: %w", err)
		}
	}
	return r, nil
}

// matches tells whether a file's base name is one of those asked for.
func (r request) matches(name string) bool {
	return slices.ContainsFunc(r.patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// planned is the data of a plan.
type planned struct {
	Roots []plannedRoot `json:"roots"`
	Files []plannedFile `json:"files"`
}

type plannedRoot struct {
	Path string `json:"path"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
}

type plannedFile struct {
	Root  int    `json:"root"` // index into Roots
	Path  string `json:"path"` // below the root
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`  // bytes
	Mtime int64  `json:"mtime"` // nanoseconds since 1970
}

// Plan implements action.Action: it walks the roots and lists the oldest files that fit the budget.
func (c *Clean) Plan(ctx context.Context, p action.Params) (receiver.Plan, error) {
	r, err := c.request(p)
	if err != nil {
		return receiver.Plan{}, err
	}
	now := c.now()
	used, err := scanProc(ctx, c.proc)
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("files.clean: %w", err)
	}
	w := walker{request: r, cutoff: now.Add(-r.olderThan), used: used, left: map[string]int{}}
	var data planned
	for i, path := range r.roots {
		root, err := openRoot(path)
		if err != nil {
			return receiver.Plan{}, fmt.Errorf("files.clean: %w", err)
		}
		data.Roots = append(data.Roots, plannedRoot{Path: path, Dev: root.id.dev, Ino: root.id.ino})
		err = w.walk(ctx, root, i)
		root.Close()
		if err != nil {
			return receiver.Plan{}, fmt.Errorf("files.clean: list %s: %w", path, err)
		}
	}
	var total int64
	data.Files, total = w.choose()
	if len(data.Files) == 0 {
		return receiver.Plan{}, fmt.Errorf("files.clean: %w: no file beneath %s is older than %s, closed and named as asked%s",
			action.ErrNothingToDo, strings.Join(r.roots, ", "), p.String("older_than"), leftWords(w.left))
	}
	plan, err := action.NewPlan(c, p, data)
	if err != nil {
		return receiver.Plan{}, err
	}
	plan.Made = now
	plan.Limits = map[string]string{"bytes": p.String("max_bytes"), "files": strconv.Itoa(r.maxFiles)}
	plan.Summary = fmt.Sprintf("delete %s, %s, older than %s, beneath %s%s", count(len(data.Files), "file"), bytesWords(total),
		p.String("older_than"), strings.Join(r.roots, ", "), leftWords(w.left))
	steps := make([]string, 0, len(data.Files))
	for _, f := range data.Files {
		steps = append(steps, fmt.Sprintf("delete %s (%s, modified %s)", path.Join(data.Roots[f.Root].Path, f.Path),
			bytesWords(f.Size), time.Unix(0, f.Mtime).UTC().Format(time.RFC3339)))
	}
	plan.Steps = action.Lines(steps)
	return plan, nil
}

func leftWords(left map[string]int) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(left)) {
		words = append(words, fmt.Sprintf("%d %s", left[why], why))
	}
	if len(words) == 0 {
		return ""
	}
	return "; left alone: " + strings.Join(words, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func bytesWords(n int64) string {
	f, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
