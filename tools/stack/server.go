// Package stack runs real servers for tests and the demo: on 127.0.0.1, on free ports, in temporary folders.
//
// A context given to a Start function bounds the start alone; a server then runs until Stop, or until the program that
// started it is gone, however that ended.
package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startWithin = 60 * time.Second // for a context without deadline
	stopWithin  = 10 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// Command says how to run a program as a server.
type Command struct {
	Name string   // for messages
	Path string   // the executable
	Args []string // without the program's name
	Env  []string // added to this program's own environment
	Dir  string   // the working folder
	// Ready tells whether the server serves; it is asked until it returns nil. Nil: ready at once.
	Ready func(context.Context) error
	// Stop is the signal that ends the server in order; zero stands for SIGTERM.
	Stop syscall.Signal

	credential *syscall.Credential
	cleanup    func()
}

// Server is a running program.
type Server struct {
	name    string
	pid     int
	stop    syscall.Signal
	output  *tail
	exited  chan struct{}
	exit    error // valid after exited is closed
	cleanup func()
	once    sync.Once
	stopErr error
}

// Start runs the command and waits until it is ready.
func Start(ctx context.Context, c Command) (*Server, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startWithin)
		defer cancel()
	}
	s, err := launch(c)
	if err != nil {
		if c.cleanup != nil {
			c.cleanup()
		}
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if err := s.await(ctx, c.Ready); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// launch starts the process from a thread that lives as long as the process does: the kernel's signal at the parent's
// death is tied to the thread.
func launch(c Command) (*Server, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	s := &Server{name: c.Name, stop: c.Stop, output: &tail{}, exited: make(chan struct{}), cleanup: c.cleanup}
	if s.stop == 0 {
		s.stop = syscall.SIGTERM
	}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: s.stop, Credential: c.credential}
	if s.stop == syscall.SIGTERM {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}

	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			s.exit = cmd.Wait()
			close(s.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	s.pid = cmd.Process.Pid
	return s, nil
}

func (s *Server) await(ctx context.Context, ready func(context.Context) error) error {
	if ready == nil {
		return nil
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended while starting: %w; its output:\n%s", s.name, s.exitError(), s.Output())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %w; its output:\n%s", s.name, context.Cause(ctx), err, s.Output())
		}
	}
}

func (s *Server) exitError() error {
	if s.exit == nil {
		return errors.New("exit status 0")
	}
	return s.exit
}

// PID returns the process id, which is also the id of the process group.
func (s *Server) PID() int { return s.pid }

// Exited is closed when the process has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Output returns the last part of what the server printed.
func (s *Server) Output() string { return s.output.String() }

// Signal sends a signal to the server's process, e.g. SIGHUP, or SIGSTOP to make it hang.
func (s *Server) Signal(sig syscall.Signal) error {
	select {
	case <-s.exited:
		return fmt.Errorf("signal %s: %w", s.name, os.ErrProcessDone)
	default:
	}
	if err := syscall.Kill(s.pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", s.name, err)
	}
	return nil
}

// Kill ends the server's process at once, as a crash would, and leaves its files; Stop is still to be called.
func (s *Server) Kill() error {
	if err := s.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

// Stop ends the server, in order if it can, and removes its temporary folder. Later calls do nothing.
func (s *Server) Stop() error {
	s.once.Do(func() {
		s.stopErr = s.end()
		if s.cleanup != nil {
			s.cleanup()
		}
	})
	return s.stopErr
}

// end stops the process and whatever else is in its group.
func (s *Server) end() error {
	select {
	case <-s.exited:
	default:
		_ = syscall.Kill(s.pid, s.stop)
		_ = syscall.Kill(s.pid, syscall.SIGCONT)
		select {
		case <-s.exited:
		case <-time.After(stopWithin):
		}
	}
	_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("%s (process %d) does not end", s.name, s.pid)
	}
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
