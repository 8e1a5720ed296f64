package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver/action"
)

// What a program finds besides the step's own environment.
const (
	searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	language   = "LANG=C"
)

// reapTime is how long killed processes may take to disappear; longer only in uninterruptible sleep.
const reapTime = 10 * time.Second

// exitError is the error of a program that ran and said no.
type exitError struct{ state string }

func (e *exitError) Error() string { return e.state }

// run starts argv and waits until it and its whole process group are gone. An error that wraps action.ErrNotApplied
// means that it was not started.
func (r *Run) run(ctx context.Context, p action.Params, argv []string) (*tail, error) {
	out := &tail{}
	limit := p.Duration("timeout")
	if _, ok := ctx.Deadline(); !ok && limit == 0 {
		limit = defaultTimeout
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("timeout of %s: %w", limit, context.DeadlineExceeded))
		defer cancel()
	}
	env := p.Map("env")
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Dir: "/", Env: []string{searchPath, language}, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	from, to, err := os.Pipe()
	if err != nil {
		return out, fmt.Errorf("%w: %w", action.ErrNotApplied, err)
	}
	defer from.Close()
	cmd.Stdout, cmd.Stderr = to, to
	keepDescriptors()
	err = cmd.Start()
	_ = to.Close()
	if err != nil {
		return out, fmt.Errorf("%w: %w", action.ErrNotApplied, err)
	}
	read := make(chan struct{})
	go func() { _, _ = io.Copy(out, from); close(read) }()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	group := cmd.Process.Pid // of a session leader
	var waitErr, stopped error
	select {
	case waitErr = <-exited:
	case <-ctx.Done():
		stopped = context.Cause(ctx)
		waitErr = r.stop(group, exited)
	}
	left, endErr := r.endGroup(group)
	select {
	case <-read:
	case <-time.After(time.Second): // a process in a session of its own still holds the output
		_ = from.SetReadDeadline(time.Now())
		<-read
	}
	if left && stopped == nil {
		out.note = "processes that it left behind were ended"
	}
	var exit *exec.ExitError
	switch {
	case stopped != nil:
		return out, errors.Join(fmt.Errorf("stopped: %w", stopped), endErr)
	case endErr != nil:
		return out, endErr
	case errors.As(waitErr, &exit):
		return out, &exitError{exit.Error()}
	}
	return out, waitErr
}

// stop ends a running group: SIGTERM, then SIGKILL after the grace.
func (r *Run) stop(group int, exited <-chan error) error {
	_ = unix.Kill(-group, unix.SIGTERM)
	select {
	case err := <-exited:
		return err
	case <-time.After(r.grace):
	}
	_ = unix.Kill(-group, unix.SIGKILL)
	select {
	case err := <-exited:
		return err
	case <-time.After(reapTime):
		return fmt.Errorf("process %d does not end although it was killed", group)
	}
}

// endGroup ends what a leader that is gone has left in its group, and tells whether there was anything.
func (r *Run) endGroup(group int) (left bool, err error) {
	signal, since := unix.SIGTERM, time.Now()
	for first := true; groupLives(group); first = false {
		left = true
		waited := time.Since(since)
		switch {
		case first:
			_ = unix.Kill(-group, signal)
		case signal == unix.SIGTERM && waited > r.grace:
			signal = unix.SIGKILL
			_ = unix.Kill(-group, signal)
		case waited > r.grace+reapTime:
			return left, fmt.Errorf("processes of group %d do not end although they were killed", group)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return left, nil
}

// groupLives tells whether any process of the group is more than a zombie.
func groupLives(group int) bool {
	for { // orphans are ours to reap if this is the first process of a container
		if pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			break
		}
	}
	if errors.Is(unix.Kill(-group, 0), unix.ESRCH) {
		return false
	}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, d := range dirs {
		if _, err := strconv.Atoi(d.Name()); err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp …, proc(5); comm may contain anything.
		_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}

// keepDescriptors marks all of this process's descriptors beyond stderr close-on-exec: Go does so for its own, but not
// for those that this process was started with.
func keepDescriptors() {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err == nil {
		return
	}
	fds, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return
	}
	for _, d := range fds {
		if fd, err := strconv.Atoi(d.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
