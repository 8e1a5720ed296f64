// Package stack runs real servers for tests and the demo: on 127.0.0.1, on free ports, in temporary folders.
//
// A context given to a Start function bounds the start alone; a server then runs until Stop, or until the program that
// started it is gone, however that ended.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
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

	// restart is the signal that ends it in order when it is to come back; zero stands for Stop.
	restart syscall.Signal
	// clear waits for what an ended server left running, and removes what would be taken for a sign of the next one.
	clear      func(context.Context) error
	credential *syscall.Credential
	cleanup    func()
}

// Server is a running program, with its temporary folder.
type Server struct {
	command Command
	output  *tail
	once    sync.Once
	stopErr error

	mu      sync.Mutex
	current *process
}

// process is one run of a server.
type process struct {
	pid    int
	exited chan struct{}
	exit   error // valid after exited is closed
}

// Start runs the command and waits until it is ready.
func Start(ctx context.Context, c Command) (*Server, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if c.Stop == 0 {
		c.Stop = syscall.SIGTERM
	}
	s := &Server{command: c, output: &tail{}}
	if err := s.launch(); err != nil {
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

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, startWithin)
}

// Restart ends the server in order, unless it was killed, starts it again with the same folder and port, and waits until
// it is ready. After an error Stop is still to be called.
func (s *Server) Restart(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.end(cmp.Or(s.command.restart, s.command.Stop)); err != nil {
		return err
	}
	if s.command.clear != nil {
		if err := s.command.clear(ctx); err != nil {
			return fmt.Errorf("restart %s: %w", s.command.Name, err)
		}
	}
	if err := s.launch(); err != nil {
		return fmt.Errorf("restart %s: %w", s.command.Name, err)
	}
	return s.await(ctx, s.command.Ready)
}

// launch starts the process from a thread that lives as long as the process does: the kernel's signal at the parent's
// death is tied to the thread.
func (s *Server) launch() error {
	c := s.command
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.Stop, Credential: c.credential}
	if c.Stop == syscall.SIGTERM {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}

	p := &process{exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.exit = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
	return nil
}

func (s *Server) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Server) await(ctx context.Context, ready func(context.Context) error) error {
	if ready == nil {
		return nil
	}
	p := s.process()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended while starting: %w; its output:\n%s", s.command.Name, p.exitError(), s.Output())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %w; its output:\n%s", s.command.Name, context.Cause(ctx), err, s.Output())
		}
	}
}

func (p *process) exitError() error {
	if p.exit == nil {
		return errors.New("exit status 0")
	}
	return p.exit
}

// PID returns the process id, which is also the id of the process group.
func (s *Server) PID() int { return s.process().pid }

// Exited is closed when the process has ended; a Restart brings a new one.
func (s *Server) Exited() <-chan struct{} { return s.process().exited }

// Output returns the last part of what the server printed.
func (s *Server) Output() string { return s.output.String() }

// Signal sends a signal to the server's process, e.g. SIGHUP, or SIGSTOP to make it hang.
func (s *Server) Signal(sig syscall.Signal) error {
	p := s.process()
	select {
	case <-p.exited:
		return fmt.Errorf("signal %s: %w", s.command.Name, os.ErrProcessDone)
	default:
	}
	if err := syscall.Kill(p.pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", s.command.Name, err)
	}
	return nil
}

// Kill ends the server's process at once, as a crash would, and leaves its files; Restart or Stop is still to be called.
func (s *Server) Kill() error {
	if err := s.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.Exited()
	return nil
}

// Stop ends the server, in order if it can, and removes its temporary folder. Later calls do nothing.
func (s *Server) Stop() error {
	s.once.Do(func() {
		s.stopErr = s.end(s.command.Stop)
		if s.command.cleanup != nil {
			s.command.cleanup()
		}
	})
	return s.stopErr
}

// end stops the process and whatever else is in its group.
func (s *Server) end(in syscall.Signal) error {
	p := s.process()
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(p.pid, in)
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
		select {
		case <-p.exited:
		case <-time.After(stopWithin):
		}
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("%s (process %d) does not end", s.command.Name, p.pid)
	}
}
