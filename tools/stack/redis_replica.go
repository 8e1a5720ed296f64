package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// StartReplica starts a replica of a running primary, with the primary's version, password and TLS and the further
// arguments, and returns once it is in step.
func StartReplica(ctx context.Context, primary *Redis, args ...string) (*Redis, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	o := primary.options
	o.Port, o.like = 0, primary
	o.Args = append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(primary.Port)}, args...)
	r, err := StartRedis(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := r.until(ctx, "master_link_status:up", "INFO", "replication"); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// SentinelOptions change how a sentinel is started.
type SentinelOptions struct {
	Port   int    // 0: a free one
	Name   string // of what it watches; empty: main
	Quorum int    // 0: 1
}

// StartSentinel starts a sentinel, which demands no password, and has it watch a running primary, which it takes for down
// after a second of silence. It has the primary's version and TLS.
func StartSentinel(ctx context.Context, primary *Redis, o SentinelOptions) (*Redis, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	name := cmp.Or(o.Name, "main")
	lines := []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", name, primary.Port, cmp.Or(o.Quorum, 1)),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", name),
		fmt.Sprintf("sentinel failover-timeout %s 5000", name),
	}
	if password := primary.options.Password; password != "" {
		lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", name, strconv.Quote(password)))
	}
	options := RedisOptions{Version: primary.options.Version, Port: o.Port, TLS: primary.options.TLS, like: primary}
	s, err := startRedis(ctx, options, func(r *Redis) ([]string, error) {
		file := filepath.Join(r.Dir, "sentinel.conf") // it is rewritten by the sentinel
		err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
		return []string{file, "--sentinel"}, err
	})
	if err != nil {
		return nil, err
	}
	watched := fmt.Sprintf("name=%s,status=ok,address=%s,", name, primary.Addr)
	if err := s.until(ctx, "master0:"+watched, "INFO", "sentinel"); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// until repeats a command until a line of its reply begins as given.
func (r *Redis) until(ctx context.Context, line string, command ...any) error {
	c, err := r.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		text, err := c.Do(ctx, command...).Text()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", line, err)
		}
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, line) {
				return nil
			}
		}
		time.Sleep(pollEvery)
	}
}
