package stack

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/tools/parts"
)

// RedisOptions change how Redis is started.
type RedisOptions struct {
	Version  string   // of parts.RedisVersions; empty: Debian's, or what $CHRONOOPS_REDIS says
	Port     int      // 0: a free one
	Args     []string // further options, e.g. "--maxmemory", "10mb"
	Password string   // demanded of everybody
	ACL      []string // lines of an ACL file, since Redis 6, e.g. "user monitor on >secret +info +ping"
	TLS      bool     // connections without TLS are refused; clients need no certificate

	like *Redis // whose certificate to show, with TLS; nil: one of its own
}

// Redis is a running Redis without persistence. It also listens on a Unix socket.
type Redis struct {
	*Server
	URL    string // redis://127.0.0.1:PORT/0, or rediss, without credentials
	Addr   string
	Port   int
	Dir    string // the working folder
	Socket string // the path of the Unix socket
	CA     string // the certificate to trust, with TLS

	options RedisOptions
}

// StartRedis starts Redis.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	return startRedis(ctx, o, nil)
}

// startRedis starts Redis with first, if not nil, to write files and to give the arguments that come first.
func startRedis(ctx context.Context, o RedisOptions, first func(*Redis) ([]string, error)) (*Redis, error) {
	program, err := parts.Redis(o.Version)
	if err != nil {
		return nil, err
	}
	r := &Redis{options: o}
	s, _, err := onPort(o.Port, func(port int) (*Server, error) {
		dir, cleanup, err := TempDir("redis")
		if err != nil {
			return nil, err
		}
		r.Port, r.Addr, r.Dir, r.Socket = port, address(port), dir, filepath.Join(dir, "redis.sock")
		var args []string
		if first != nil {
			args, err = first(r)
		}
		var common []string
		if err == nil {
			common, err = r.args()
		}
		if err != nil {
			cleanup()
			return nil, err
		}
		return Start(ctx, Command{
			Name: "redis-server", Path: program.Path, Env: program.Env, Dir: dir,
			Args:    slices.Concat(args, common, o.Args),
			Ready:   r.ready,
			cleanup: cleanup,
		})
	})
	if err != nil {
		return nil, err
	}
	r.Server = s
	r.URL = "redis://" + r.Addr + "/0"
	if o.TLS {
		r.URL = "rediss://" + r.Addr + "/0"
	}
	return r, nil
}

// args turns the options into arguments and writes the files that they name.
func (r *Redis) args() ([]string, error) {
	args := []string{
		"--bind", "127.0.0.1", "--dir", r.Dir, "--unixsocket", r.Socket,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
		"--repl-diskless-sync-delay", "0", // or replicas wait for others to come
	}
	o := r.options
	if o.Password != "" {
		args = append(args, "--requirepass", o.Password, "--masterauth", o.Password)
	}
	if len(o.ACL) > 0 {
		file := filepath.Join(r.Dir, "users.acl")
		if err := os.WriteFile(file, []byte(strings.Join(o.ACL, "\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--aclfile", file)
	}
	if !o.TLS {
		return append(args, "--port", strconv.Itoa(r.Port)), nil
	}
	cert, key, err := r.certificate()
	if err != nil {
		return nil, err
	}
	r.CA = filepath.Join(r.Dir, certFile)
	private := filepath.Join(r.Dir, keyFile)
	for path, text := range map[string]string{r.CA: cert, private: key} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return append(args, "--port", "0", "--tls-port", strconv.Itoa(r.Port),
		"--tls-cert-file", r.CA, "--tls-key-file", private, "--tls-ca-cert-file", r.CA,
		"--tls-auth-clients", "no", "--tls-replication", "yes", "--tls-cluster", "yes"), nil
}

func (r *Redis) certificate() (cert, key string, err error) {
	like := r.options.like
	if like == nil {
		return selfSigned()
	}
	for name, text := range map[string]*string{certFile: &cert, keyFile: &key} {
		b, err := os.ReadFile(filepath.Join(like.Dir, name))
		if err != nil {
			return "", "", err
		}
		*text = string(b)
	}
	return cert, key, nil
}

// trust is the TLS configuration of clients; nil without TLS.
func (r *Redis) trust() (*tls.Config, error) {
	if !r.options.TLS {
		return nil, nil
	}
	cert, err := os.ReadFile(r.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		return nil, errors.New(r.CA + " is no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Client returns a client who knows the password; it is the caller's to close.
func (r *Redis) Client() (*redis.Client, error) {
	trust, err := r.trust()
	if err != nil {
		return nil, err
	}
	return redis.NewClient(&redis.Options{Addr: r.Addr, Password: r.options.Password, TLSConfig: trust, Protocol: 2}), nil
}

// Do runs one command as a client who knows the password.
func (r *Redis) Do(ctx context.Context, args ...any) (any, error) {
	c, err := r.Client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	reply, err := c.Do(ctx, args...).Result()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", args[0], err)
	}
	return reply, nil
}

// AddKeys creates the keys key:1 to key:N with short strings; a million take some seconds.
func (r *Redis) AddKeys(ctx context.Context, n int) error {
	const script = `for i = ARGV[1], ARGV[2] do redis.call('SET', 'key:' .. string.format('%d', i), i) end return 1`
	const atATime = 50_000 // so that a server answers others in between
	for first := 1; first <= n; first += atATime {
		if _, err := r.Do(ctx, "EVAL", script, 0, first, min(first+atATime-1, n)); err != nil {
			return err
		}
	}
	return nil
}

// ready asks for a pong; a demand for a password is as good an answer.
func (r *Redis) ready(ctx context.Context) error {
	trust, err := r.trust()
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return err
	}
	if trust != nil {
		trust.ServerName = "127.0.0.1"
		conn = tls.Client(conn, trust)
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
