package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/chronoops/chronoops/tools/parts"
)

// PostgresOptions change how PostgreSQL is started.
type PostgresOptions struct {
	Port     int               // 0: a free one
	Settings map[string]string // parameters for postgresql.conf, over the defaults, e.g. "max_connections": "20"
}

// Postgres is a running PostgreSQL that trusts every connection from 127.0.0.1.
type Postgres struct {
	*Server
	URL  string // as superuser postgres, database postgres
	Port int
	Dir  string // the data directory
}

// StartPostgres initialises a new cluster without durability and starts it.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	initdb, err := parts.Find("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := parts.Find("postgres")
	if err != nil {
		return nil, err
	}
	var data string
	s, port, err := onPort(o.Port, func(port int) (*Server, error) {
		dir, cleanup, err := TempDir("postgres")
		if err != nil {
			return nil, err
		}
		data = filepath.Join(dir, "data")
		credential, err := initCluster(ctx, initdb, dir, data)
		if err != nil {
			cleanup()
			return nil, err
		}
		c := Command{
			Name: "postgres", Path: postgres.Path, Env: postgres.Env, Dir: dir,
			Args: append([]string{"-D", data}, postgresArgs(dir, port, o.Settings)...),
			// Immediate shutdown: nothing is worth a checkpoint, and shared memory is freed even when this program dies.
			Stop:       syscall.SIGQUIT,
			Ready:      func(context.Context) error { return postmasterReady(data) },
			credential: credential, cleanup: cleanup,
		}
		return Start(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: address(port), Path: "/postgres", RawQuery: "sslmode=disable"}
	return &Postgres{Server: s, URL: u.String(), Port: port, Dir: data}, nil
}

// initCluster makes an empty cluster and returns whom its server runs as.
func initCluster(ctx context.Context, initdb parts.Program, dir, data string) (*syscall.Credential, error) {
	credential, err := ordinaryUser(dir)
	if err != nil {
		return nil, err
	}
	s, err := launch(Command{
		Name: "initdb", Path: initdb.Path, Env: append(slices.Clone(initdb.Env), "TZ=UTC"), Dir: dir,
		Args:       []string{"-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"},
		credential: credential,
	})
	if err != nil {
		return nil, fmt.Errorf("start initdb: %w", err)
	}
	select {
	case <-s.exited:
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("initdb: %w", context.Cause(ctx)), s.Stop())
	}
	if s.exit != nil {
		return nil, fmt.Errorf("initdb: %w; its output:\n%s", s.exit, s.Output())
	}
	return credential, nil
}

// ordinaryUser gives dir to a user that is not root, whom PostgreSQL refuses, and returns nil if this program is not root.
func ordinaryUser(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

func postgresArgs(dir string, port int, settings map[string]string) []string {
	all := map[string]string{
		"listen_addresses":           "127.0.0.1",
		"port":                       strconv.Itoa(port),
		"unix_socket_directories":    dir,
		"fsync":                      "off",
		"synchronous_commit":         "off",
		"full_page_writes":           "off",
		"shared_buffers":             "16MB",
		"dynamic_shared_memory_type": "mmap", // in the data directory: a killed server leaves nothing in /dev/shm
		"jit":                        "off",  // its compiler is not among the cached packages
	}
	maps.Copy(all, settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// postmasterReady reads the status line of the server's lock file, as pg_ctl does.
func postmasterReady(data string) error {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return err
	}
	const statusLine = 7
	lines := strings.Split(string(b), "\n")
	if len(lines) <= statusLine || strings.TrimSpace(lines[statusLine]) != "ready" {
		return errors.New("postmaster.pid does not say ready yet")
	}
	return nil
}
