package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

func redisServer(t *testing.T, o stack.RedisOptions) *stack.Redis {
	t.Helper()
	r, err := stack.StartRedis(t.Context(), o)
	return stacktest.Run(t, r, err)
}

func do(t *testing.T, r *stack.Redis, args ...any) string {
	t.Helper()
	reply, err := r.Do(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(reply)
}

func TestRedisAdmitsWhomItIsTold(t *testing.T) {
	t.Parallel()
	r := redisServer(t, stack.RedisOptions{
		TLS:      true,
		ACL:      []string{"user default on >main ~* +@all", "user monitor on >secret +info +ping"},
		Args:     []string{"--maxclients", "99"},
		Password: "main",
	})
	if got := do(t, r, "CONFIG", "GET", "maxclients"); got != "[maxclients 99]" {
		t.Errorf("maxclients: %s", got)
	}
	local := redis.NewClient(&redis.Options{Network: "unix", Addr: r.Socket, Username: "monitor", Password: "secret"})
	defer local.Close()
	if err := local.Info(t.Context()).Err(); err != nil {
		t.Errorf("INFO through the socket: %v", err)
	}
	if err := local.Get(t.Context(), "a").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("GET: %v, want NOPERM", err)
	}
	plain := redis.NewClient(&redis.Options{Addr: r.Addr, MaxRetries: -1})
	defer plain.Close()
	if err := plain.Ping(t.Context()).Err(); err == nil {
		t.Error("answers without TLS")
	}
}

func TestRedisWithManyKeys(t *testing.T) {
	t.Parallel()
	r := redisServer(t, stack.RedisOptions{})
	if err := r.AddKeys(t.Context(), 60_000); err != nil {
		t.Fatal(err)
	}
	got := []string{do(t, r, "DBSIZE"), do(t, r, "GET", "key:1"), do(t, r, "GET", "key:60000")}
	if diff := cmp.Diff([]string{"60000", "1", "60000"}, got); diff != "" {
		t.Errorf("size, first and last (-want +got):\n%s", diff)
	}
	// It comes back empty: nothing is kept.
	if err := r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := do(t, r, "DBSIZE"); got != "0" {
		t.Errorf("%s keys after a restart", got)
	}
}

func TestRedisReplicaAndSentinel(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]stack.RedisOptions{"plain": {}, "secured": {Password: "a b", TLS: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := redisServer(t, o)
			replica, err := stack.StartReplica(t.Context(), primary)
			stacktest.Run(t, replica, err)
			sentinel, err := stack.StartSentinel(t.Context(), primary, stack.SentinelOptions{Name: "cache"})
			stacktest.Run(t, sentinel, err)
			do(t, primary, "SET", "a", "b")
			eventually(t, func() error {
				if reply, err := replica.Do(t.Context(), "GET", "a"); err != nil || reply != "b" {
					return fmt.Errorf("the replica has %v, %w", reply, err)
				}
				return nil
			})
			want := fmt.Sprintf("[127.0.0.1 %d]", primary.Port)
			if got := do(t, sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "cache"); got != want {
				t.Errorf("the sentinel watches %s, want %s", got, want)
			}
		})
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	c, err := stack.StartRedisCluster(t.Context(), stack.RedisOptions{})
	stacktest.Run(t, c, err)
	var roles []string
	for _, n := range c.Nodes {
		role, _, _ := strings.Cut(strings.TrimPrefix(do(t, n, "ROLE"), "["), " ")
		roles = append(roles, role)
	}
	if diff := cmp.Diff([]string{"master", "master", "master", "slave", "slave", "slave"}, roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{c.Nodes[5].Addr}})
	defer client.Close()
	for i := range 20 {
		if err := client.Set(t.Context(), fmt.Sprintf("key:%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
