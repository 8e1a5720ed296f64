package stack

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/tools/parts"
)

// RedisOptions change how Redis is started.
type RedisOptions struct {
	Port int      // 0: a free one
	Args []string // further options, e.g. "--maxmemory", "10mb"
}

// Redis is a running Redis without persistence.
type Redis struct {
	*Server
	URL  string // redis://127.0.0.1:PORT/0, without credentials
	Addr string
	Port int
	Dir  string // the working folder
}

// StartRedis starts Redis.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	redis, err := parts.Find("redis-server")
	if err != nil {
		return nil, err
	}
	var dir string
	s, port, err := onPort(o.Port, func(port int) (*Server, error) {
		var cleanup func()
		var err error
		if dir, cleanup, err = TempDir("redis"); err != nil {
			return nil, err
		}
		args := []string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no",
		}
		return Start(ctx, Command{
			Name: "redis-server", Path: redis.Path, Env: redis.Env, Dir: dir, Args: append(args, o.Args...),
			Ready:   func(ctx context.Context) error { return redisReady(ctx, address(port)) },
			cleanup: cleanup,
		})
	})
	if err != nil {
		return nil, err
	}
	addr := address(port)
	return &Redis{Server: s, URL: "redis://" + addr + "/0", Addr: addr, Port: port, Dir: dir}, nil
}

// redisReady asks for a pong; a demand for a password is as good an answer.
func redisReady(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		return fmt.Errorf("redis answers %q", strings.TrimSpace(line))
	}
	return nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
