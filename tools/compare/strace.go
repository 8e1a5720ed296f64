package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// calls are the system calls of a process.
type calls struct{ all, opens float64 }

// straceWithin bounds the time that strace takes to attach, and to detach.
const straceWithin = 10 * time.Second

// trace counts the system calls of a process while fn runs.
func trace(ctx context.Context, pid int, fn func() error) (calls, error) {
	program, err := findStrace()
	if err != nil {
		return calls{}, err
	}
	dir, cleanup, err := stack.TempDir("strace")
	if err != nil {
		return calls{}, err
	}
	defer cleanup()
	out := filepath.Join(dir, "calls")
	cmd := program.Command("-f", "-c", "-o", out, "-p", strconv.Itoa(pid))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return calls{}, err
	}
	if err := cmd.Start(); err != nil {
		return calls{}, err
	}
	said := make(chan string, 1) // what strace said until it was attached, or until its end
	done := make(chan struct{})
	go func() {
		said <- firstLine(stderr)
		_, _ = io.Copy(io.Discard, stderr)
		_ = cmd.Wait() // it exits with the signal that ends it
		close(done)
	}()
	end := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-done:
		case <-time.After(straceWithin):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	defer end()
	select {
	case line := <-said:
		if !strings.Contains(line, "attached") {
			return calls{}, fmt.Errorf("strace cannot attach: %s", line)
		}
	case <-time.After(straceWithin):
		return calls{}, errors.New("strace does not attach")
	case <-ctx.Done():
		return calls{}, context.Cause(ctx)
	}
	if err := fn(); err != nil {
		return calls{}, err
	}
	end()
	b, err := os.ReadFile(out)
	if err != nil {
		return calls{}, err
	}
	return parseStrace(string(b))
}

func firstLine(r io.Reader) string {
	line, _ := bufio.NewReaderSize(r, 256).ReadString('\n')
	return strings.TrimSpace(line)
}

func findStrace() (parts.Program, error) {
	if path, err := exec.LookPath("strace"); err == nil {
		return parts.Program{Path: path}, nil
	}
	return parts.Find("strace")
}

// parseStrace reads the table of strace -c: share, seconds, microseconds a call, calls, errors if there were any, name.
func parseStrace(text string) (calls, error) {
	var c calls
	total := -1.
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		n, err := strconv.ParseFloat(fields[3], 64)
		if err != nil {
			continue // headings and rules
		}
		switch name := fields[len(fields)-1]; name {
		case "total":
			total = n
		case "open", "openat", "openat2", "creat":
			c.opens += n
			c.all += n
		default:
			c.all += n
		}
	}
	if total < 0 || total != c.all {
		return calls{}, fmt.Errorf("strace counts %v calls in total, and %v one by one", total, c.all)
	}
	return c, nil
}
