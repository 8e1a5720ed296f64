package stack_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

const ownerVar = "CHRONOOPS_TEST_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVar) != "" {
		own()
		return
	}
	os.Exit(m.Run())
}

// own starts servers, prints their processes and folders, and waits to be killed.
func own() {
	ctx := context.Background()
	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{})
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	redis, err := stack.StartRedis(ctx, stack.RedisOptions{})
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	fmt.Println(postgres.PID(), filepath.Dir(postgres.Dir))
	fmt.Println(redis.PID(), redis.Dir)
	fmt.Println("up")
	select {}
}

func TestServersDieWithTheirOwner(t *testing.T) {
	t.Parallel()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerVar+"=1")
	pipe, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer owner.Process.Kill()
	var pids []int
	var dirs []string
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && lines.Text() != "up" {
		var pid int
		var dir string
		if _, err := fmt.Sscan(lines.Text(), &pid, &dir); err != nil {
			t.Fatal(lines.Text())
		}
		pids, dirs = append(pids, pid), append(dirs, dir)
	}
	if len(pids) != 2 {
		t.Fatalf("the owner started %d servers, want 2", len(pids))
	}
	for _, pid := range pids {
		if gone(pid) {
			t.Fatalf("process %d is gone too early", pid)
		}
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	owner.Wait()
	for _, pid := range pids {
		eventually(t, func() error {
			if !gone(pid) {
				return fmt.Errorf("process %d outlives its owner", pid)
			}
			return nil
		})
	}

	// What they left on disk goes with the next start, once it is not young any more.
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	next, err := stack.StartRedis(t.Context(), stack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Stop()
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", dir, err)
		}
	}
	if _, err := os.Stat(next.Dir); err != nil {
		t.Error(err)
	}
}

// gone takes a zombie for gone: a container's first process may not collect it.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
