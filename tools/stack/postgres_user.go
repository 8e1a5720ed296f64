package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// ordinaryUser gives dir to a user that is not root, whom PostgreSQL refuses, and returns nil if this program is not root.
func ordinaryUser(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return c, give(c, dir)
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// give makes the user the owner of a file; nil stands for the user who runs this.
func give(c *syscall.Credential, path string) error {
	if c == nil {
		return nil
	}
	return os.Lchown(path, int(c.Uid), int(c.Gid))
}

// writeFor writes a file that the user alone can read.
func writeFor(c *syscall.Credential, path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return give(c, path)
}

// clearPostgres ends what a killed server left working in the data directory, which some versions would wait for, and
// removes its lock file, whose status would be taken for that of the next one.
func clearPostgres(ctx context.Context, data string) error {
	real, err := filepath.EvalSymlinks(data)
	if err != nil {
		return err
	}
	for pids := workingIn(real); len(pids) > 0; pids = workingIn(real) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return fmt.Errorf("end the processes in %s: %w", data, context.Cause(ctx))
		}
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// workingIn returns the processes whose working folder is dir, as the data directory is for all of PostgreSQL's.
func workingIn(dir string) []int {
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if at, err := os.Readlink(link); err != nil || at != dir {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
