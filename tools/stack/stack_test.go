package stack_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/tools/stack"
)

// stopped checks that a stopped server left neither its folder nor a listener.
func stopped(t *testing.T, s interface{ Stop() error }, addr, dir string) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		conn.Close()
		t.Errorf("%s still answers after Stop", addr)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", dir, err)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	p, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Settings: map[string]string{"max_connections": "17"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	conn, err := pgx.Connect(t.Context(), p.URL)
	if err != nil {
		t.Fatal(err)
	}
	var limit string
	if err := conn.QueryRow(t.Context(), "SHOW max_connections").Scan(&limit); err != nil {
		t.Fatal(err)
	}
	if limit != "17" {
		t.Errorf("max_connections = %s, want 17", limit)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	stopped(t, p, fmt.Sprintf("127.0.0.1:%d", p.Port), p.Dir)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	r, err := stack.StartRedis(t.Context(), stack.RedisOptions{Args: []string{"--requirepass", "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "AUTH secret\r\nCONFIG GET save\r\n")
	replies := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "*2", "$4", "save", "$0", ""} {
		line, err := replies.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(line); got != want {
			t.Fatalf("redis answers %q, want %q", got, want)
		}
	}
	stopped(t, r, r.Addr, r.Dir)
}

func TestNginx(t *testing.T) {
	t.Parallel()
	n, err := stack.StartNginx(t.Context(), stack.NginxOptions{Config: `
		log_format short '$status $uri';
		server { listen 127.0.0.1:@PORT@; access_log @DIR@/short.log short; location / { return 204; } }`})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	get := func() {
		t.Helper()
		resp, err := http.Get(n.URL + "/a")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("status %d, want 204", resp.StatusCode)
		}
	}
	log := filepath.Join(n.Dir, "short.log")
	get()
	eventually(t, func() error { return contains(log, "204 /a\n") })
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := n.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := os.Stat(log); return err })
	get()
	eventually(t, func() error { return contains(log, "204 /a\n") })
	stopped(t, n, n.Addr, n.Dir)
}

func TestStartReportsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	_, err := stack.StartNginx(t.Context(), stack.NginxOptions{Config: "nonsense;"})
	if err == nil || !strings.Contains(err.Error(), `unknown directive "nonsense"`) {
		t.Errorf("nginx: %v", err)
	}
	_, err = stack.StartPostgres(t.Context(), stack.PostgresOptions{Settings: map[string]string{"max_connections": "none"}})
	if err == nil || !strings.Contains(err.Error(), "max_connections") {
		t.Errorf("postgres: %v", err)
	}
	_, err = stack.StartRedis(t.Context(), stack.RedisOptions{Args: []string{"--nonsense"}})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("redis: %v", err)
	}
}

func TestStartIsBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := stack.Start(ctx, stack.Command{
		Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "echo waiting; sleep 60"},
		Ready: func(context.Context) error { return errors.New("never") },
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline error", err)
	}
}

func contains(path, want string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), want) {
		return fmt.Errorf("%s holds %q, want %q in it", path, b, want)
	}
	return nil
}

// eventually repeats a check until it holds; the bound is far above what any machine needs.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func body(resp *http.Response) string {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(b)
}
