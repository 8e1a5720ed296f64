package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

// The APIs of the demo. Customers use shop; billing asks ledger, which nobody watches.
const (
	shop    = "shop"
	billing = "billing"
	ledger  = "ledger"
)

// processes are the APIs that run. Each one holds a connection to us for as long as it lives, and ends when we do: they are
// started by commands of chronoops too, so that they are nobody's children.
type processes struct {
	dir, program string
	socket       net.Listener
	defined      map[string]apiFlags

	mu   sync.Mutex
	live map[string]*process
	done sync.WaitGroup
}

type apiFlags struct{ address, needs string }

type process struct {
	pid  int
	conn net.Conn
	gone chan struct{}
}

func newProcesses(dir, program string) (*processes, error) {
	socket, err := net.Listen("unix", filepath.Join(dir, "owner"))
	if err != nil {
		return nil, err
	}
	p := &processes{dir: dir, program: program, socket: socket, defined: map[string]apiFlags{}, live: map[string]*process{}}
	p.done.Go(p.accept)
	return p, nil
}

func (p *processes) accept() {
	for {
		conn, err := p.socket.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.follow(conn) })
	}
}

// follow knows a process from its first word to its end.
func (p *processes) follow(conn net.Conn) {
	defer conn.Close()
	var hello struct {
		Name string
		PID  int
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &hello) != nil {
		return
	}
	one := &process{pid: hello.PID, conn: conn, gone: make(chan struct{})}
	p.mu.Lock()
	p.live[hello.Name] = one
	p.mu.Unlock()
	_, _ = r.ReadByte() // it says nothing more: this is its end
	p.mu.Lock()
	if p.live[hello.Name] == one {
		delete(p.live, hello.Name)
	}
	p.mu.Unlock()
	close(one.gone)
}

// define chooses the address of an API.
func (p *processes) define(name, needs string) error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	p.defined[name] = apiFlags{address: fmt.Sprintf("127.0.0.1:%d", port), needs: needs}
	return nil
}

func (p *processes) address(name string) string { return p.defined[name].address }

// argv is the command that restarts or reloads an API.
func (p *processes) argv(verb, name string) []string {
	f := p.defined[name]
	file := func(suffix string) string { return filepath.Join(p.dir, name+suffix) }
	return []string{
		p.program, verb, "-name=" + name, "-listen=" + f.address, "-needs=" + f.needs, "-owner=" + p.socket.Addr().String(),
		"-pid-file=" + file(".pid"), "-log-file=" + file(".log"),
	}
}

// start runs the restart command, as chronoops would, and waits until the API answers.
func (p *processes) start(ctx context.Context, name string) error {
	argv := p.argv("restart", name)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("start %s: %w\n%s", name, err, out)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := stack.HTTPReady("http://" + p.address(name) + "/health")(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", name, errors.Join(context.Cause(ctx), err))
		case <-time.After(pollEvery):
		}
	}
}

// pid is the number of the process that runs, or 0.
func (p *processes) pid(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one := p.live[name]; one != nil {
		return one.pid
	}
	return 0
}

// kill ends an API as a crash would.
func (p *processes) kill(ctx context.Context, name string) (pid int, err error) {
	p.mu.Lock()
	one := p.live[name]
	p.mu.Unlock()
	if one == nil {
		return 0, fmt.Errorf("%s does not run", name)
	}
	if err := syscall.Kill(one.pid, syscall.SIGKILL); err != nil {
		return 0, fmt.Errorf("kill %s: %w", name, err)
	}
	select {
	case <-one.gone:
		return one.pid, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// close lets every process end, and waits for it.
func (p *processes) close() {
	p.socket.Close()
	p.mu.Lock()
	for _, one := range p.live {
		// Half closed: it sees our end, and we still see its own.
		if c, ok := one.conn.(*net.UnixConn); ok {
			_ = c.CloseWrite()
		}
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *processes) logs() string {
	var b strings.Builder
	for name := range p.defined {
		if text, err := os.ReadFile(filepath.Join(p.dir, name+".log")); err == nil {
			fmt.Fprintf(&b, "\n--- what %s said:\n%s", name, text)
		}
	}
	return b.String()
}

// visit asks the site for pages, some each second, as customers do. They come whether or not it answers.
func visit(url string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	client := &http.Client{Timeout: time.Second}
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				client.CloseIdleConnections()
				return
			case <-tick.C:
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/stocks/600519.SH/data", nil)
			if err != nil {
				return
			}
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
			}
		}
	}()
	return func() { cancel(); <-done }
}
