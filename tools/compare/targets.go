package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/tools/stack"
)

// postgresTarget is a PostgreSQL whose role monitor may do what pg_monitor may.
type postgresTarget struct {
	admin *pgx.Conn
	proxy *proxy
}

const monitor = "monitor"

// postgresRival sets postgres_exporter against the same PostgreSQL.
func postgresRival(ctx context.Context, a *arena) (rival, error) {
	t, err := a.startPostgres(ctx)
	if err != nil {
		return rival{}, err
	}
	dsn := (&url.URL{
		Scheme: "postgres", User: url.UserPassword(monitor, monitor), Host: t.proxy.addr(), Path: "/postgres", RawQuery: "sslmode=disable",
	}).String()
	query := func(sql string) func(ctx context.Context) (float64, error) {
		return func(ctx context.Context) (v float64, err error) {
			err = t.admin.QueryRow(ctx, sql, monitor).Scan(&v)
			return v, err
		}
	}
	const from = ` FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = $1`
	return rival{
		theirs: entry{name: "postgres_exporter", args: []string{"--web.listen-address=127.0.0.1:@PORT@"}, env: []string{"DATA_SOURCE_NAME=" + dsn}},
		ours:   entry{env: []string{"DATABASE_URL=" + dsn}},
		counters: append(t.proxy.counters("postgres"),
			counter{name: "postgres_statements", read: query(`SELECT coalesce(sum(s.calls), 0)::float8` + from)},
			counter{name: "postgres_server", read: query(`SELECT coalesce(sum(s.total_plan_time + s.total_exec_time), 0)::float8 / 1000` + from)}),
	}, nil
}

func (a *arena) startPostgres(ctx context.Context) (*postgresTarget, error) {
	if a.postgres != nil {
		return a.postgres, nil
	}
	s, err := stack.StartPostgres(ctx, stack.PostgresOptions{Settings: map[string]string{
		"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on",
	}})
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, s.Stop)
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, func() error { return conn.Close(context.WithoutCancel(ctx)) })
	for _, sql := range []string{
		"CREATE EXTENSION pg_stat_statements",
		"CREATE ROLE " + monitor + " LOGIN PASSWORD '" + monitor + "' IN ROLE pg_monitor",
		"CREATE DATABASE app", "CREATE DATABASE empty",
		`DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE t%s AS SELECT g, md5(g::text) FROM generate_series(1, 100) g', i); END LOOP; END $$`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("prepare PostgreSQL: %w", err)
		}
	}
	p, err := startProxy(fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, p.close)
	a.postgres = &postgresTarget{admin: conn, proxy: p}
	return a.postgres, nil
}

type redisTarget struct {
	pid   int
	proxy *proxy
}

// redisRival sets redis_exporter against the same Redis.
func redisRival(ctx context.Context, a *arena) (rival, error) {
	t, err := a.startRedis(ctx)
	if err != nil {
		return rival{}, err
	}
	address := "redis://" + t.proxy.addr()
	return rival{
		theirs:   entry{name: "redis_exporter", args: []string{"-web.listen-address=127.0.0.1:@PORT@", "-redis.addr=" + address}},
		ours:     entry{env: []string{"REDIS_URL=" + address}},
		counters: append(t.proxy.counters("redis"), counter{name: "redis_server", read: t.serverTime}),
	}, nil
}

func (t *redisTarget) serverTime(context.Context) (float64, error) {
	used, err := cpuTime(t.pid)
	return used.Seconds(), err
}

func (a *arena) startRedis(ctx context.Context) (*redisTarget, error) {
	if a.redis != nil {
		return a.redis, nil
	}
	s, err := stack.StartRedis(ctx, stack.RedisOptions{})
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, s.Stop)
	for db := range 2 {
		client := redis.NewClient(&redis.Options{Addr: s.Addr, DB: db, Protocol: 2, DisableIdentity: true})
		pipe := client.Pipeline()
		for i := range 500 {
			pipe.Set(ctx, fmt.Sprintf("key%d", i), i, 0)
		}
		_, err := pipe.Exec(ctx)
		if err := client.Close(); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("fill Redis: %w", err)
		}
	}
	p, err := startProxy(s.Addr)
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, p.close)
	a.redis = &redisTarget{pid: s.PID(), proxy: p}
	return a.redis, nil
}

type apiTarget struct{ proxy *proxy }

// apiRival sets blackbox_exporter against the same HTTP server. chronoops is told to ask in every scrape, as the other does.
func apiRival(ctx context.Context, a *arena) (rival, error) {
	if a.api == nil {
		s, err := stack.StartNginx(ctx, stack.NginxOptions{})
		if err != nil {
			return rival{}, err
		}
		a.cleanups = append(a.cleanups, s.Stop)
		p, err := startProxy(s.Addr)
		if err != nil {
			return rival{}, err
		}
		a.cleanups = append(a.cleanups, p.close)
		a.api = &apiTarget{proxy: p}
	}
	address := "http://" + a.api.proxy.addr()
	return rival{
		theirs: entry{
			name: "blackbox_exporter", args: []string{"--web.listen-address=127.0.0.1:@PORT@", "--config.file=@DIR@/blackbox.yml"},
			files: map[string]string{"blackbox.yml": "modules: {http_2xx: {prober: http}}\n"},
			path:  "/probe?module=http_2xx&target=" + url.QueryEscape(address+"/health"),
		},
		ours: entry{
			path: "/probe?target=api",
			args: []string{"--config.file=@DIR@/chronoops.yml"},
			files: map[string]string{"chronoops.yml": fmt.Sprintf(
				"targets: {api: [{name: api, url: '%s', probes: [{path: /health, min_interval: 1ms}]}]}\n", address)},
		},
		counters: a.api.proxy.counters("api"),
	}, nil
}
