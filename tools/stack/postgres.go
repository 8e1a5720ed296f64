package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/chronoops/chronoops/tools/parts"
)

// PostgresOptions change how PostgreSQL is started.
type PostgresOptions struct {
	Major    int               // version, of parts.PostgresMajors; 0: Debian's, or what $CHRONOOPS_POSTGRES says
	Port     int               // 0: a free one
	Settings map[string]string // parameters for postgresql.conf, over the defaults, e.g. "max_connections": "20"
	// Password is demanded of everybody, by SCRAM, and is that of every role. Empty: everybody is trusted.
	Password string
	TLS      bool // sessions without TLS are refused
	// Statements loads pg_stat_statements and creates it in database postgres.
	Statements bool
}

// Postgres is a running PostgreSQL that listens on 127.0.0.1, and trusts everybody there unless told otherwise.
//
// Its Restart is pg_ctl's: in order, so that statistics survive; after Kill the server recovers from a crash.
type Postgres struct {
	*Server
	URL  string // as superuser postgres, database postgres
	Addr string
	Port int
	Dir  string // the data directory
	CA   string // the certificate to trust, with TLS

	programs   postgresPrograms
	options    PostgresOptions
	credential *syscall.Credential
}

// postgresPrograms are those of one version.
type postgresPrograms struct{ initdb, postgres parts.Program }

func findPostgres(major int) (postgresPrograms, error) {
	initdb, postgres, err := parts.Postgres(major)
	return postgresPrograms{initdb, postgres}, err
}

// StartPostgres initialises a new cluster without durability, in memory if there is room, and starts it.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	programs, err := findPostgres(o.Major)
	if err != nil {
		return nil, err
	}
	p, err := startPostgres(ctx, programs, o, func(ctx context.Context, p *Postgres) error {
		return p.initialize(ctx, filepath.Dir(p.Dir))
	})
	if err != nil {
		return nil, err
	}
	if o.Statements {
		if err := p.Exec(ctx, "postgres", "CREATE EXTENSION pg_stat_statements"); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

// startPostgres starts a server on what fill lays out as its data directory.
func startPostgres(ctx context.Context, programs postgresPrograms, o PostgresOptions, fill func(context.Context, *Postgres) error) (*Postgres, error) {
	p := &Postgres{programs: programs, options: o}
	wanted := "ready"
	if o.Settings["hot_standby"] == "off" {
		wanted = "standby"
	}
	s, port, err := onPort(o.Port, func(port int) (*Server, error) {
		dir, cleanup, err := memoryDir("postgres")
		if err != nil {
			return nil, err
		}
		p.Dir = filepath.Join(dir, "data")
		if p.credential, err = ordinaryUser(dir); err == nil {
			err = fill(ctx, p)
		}
		if err == nil {
			err = p.writeAccess(dir)
		}
		if err != nil {
			cleanup()
			return nil, err
		}
		data := p.Dir
		return Start(ctx, Command{
			Name: "postgres", Path: programs.postgres.Path, Dir: dir,
			// A standby connects by libpq, which looks for certificates in the home folder and trips over root's.
			Env:  append(slices.Clone(programs.postgres.Env), "HOME="+dir),
			Args: append([]string{"-D", data}, postgresArgs(dir, port, o)...),
			// Immediate shutdown: nothing is worth a checkpoint, and shared memory is freed even when this program dies.
			Stop:       syscall.SIGQUIT,
			Ready:      func(context.Context) error { return postmasterReady(data, wanted) },
			restart:    syscall.SIGINT,
			clear:      func(ctx context.Context) error { return clearPostgres(ctx, data) },
			credential: p.credential, cleanup: cleanup,
		})
	})
	if err != nil {
		return nil, err
	}
	p.Server, p.Port, p.Addr = s, port, address(port)
	p.URL = p.As("postgres", "postgres")
	return p, nil
}

// Major returns the major version.
func (p *Postgres) Major() (int, error) {
	b, err := os.ReadFile(filepath.Join(p.Dir, "PG_VERSION"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// As returns the URL of a database for a role.
func (p *Postgres) As(role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: p.Addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	if p.options.Password != "" {
		u.User = url.UserPassword(role, p.options.Password)
	}
	if p.options.TLS {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {p.CA}}.Encode()
	}
	return u.String()
}

// initialize makes an empty cluster.
func (p *Postgres) initialize(ctx context.Context, dir string) error {
	args := []string{"-D", p.Dir, "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync"}
	if p.options.Password == "" {
		args = append(args, "--auth=trust")
	} else {
		file := filepath.Join(dir, "password")
		if err := writeFor(p.credential, file, p.options.Password+"\n"); err != nil {
			return err
		}
		args = append(args, "--auth=scram-sha-256", "--pwfile="+file)
	}
	initdb := p.programs.initdb
	s := &Server{output: &tail{}, command: Command{
		Name: "initdb", Path: initdb.Path, Args: args, Env: append(slices.Clone(initdb.Env), "TZ=UTC"), Dir: dir, Stop: syscall.SIGTERM,
		credential: p.credential,
	}}
	if err := s.launch(); err != nil {
		return fmt.Errorf("start initdb: %w", err)
	}
	run := s.process()
	select {
	case <-run.exited:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("initdb: %w", context.Cause(ctx)), s.Stop())
	}
	if run.exit != nil {
		return fmt.Errorf("initdb: %w; its output:\n%s", run.exit, s.Output())
	}
	return nil
}

func postgresArgs(dir string, port int, o PostgresOptions) []string {
	all := map[string]string{
		"listen_addresses":           "127.0.0.1",
		"port":                       strconv.Itoa(port),
		"unix_socket_directories":    dir,
		"fsync":                      "off",
		"synchronous_commit":         "off",
		"full_page_writes":           "off",
		"shared_buffers":             "16MB",
		"dynamic_shared_memory_type": "mmap",          // in the data directory, which is removed even after a killed server
		"password_encryption":        "scram-sha-256", // the default since 14
		"jit":                        "off",           // its compiler is not among the cached packages
	}
	if o.Statements {
		all["shared_preload_libraries"] = "pg_stat_statements"
	}
	if o.TLS {
		all["ssl"] = "on"
		all["ssl_cert_file"] = filepath.Join(dir, certFile)
		all["ssl_key_file"] = filepath.Join(dir, keyFile)
	}
	maps.Copy(all, o.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// postmasterReady reads the status line of the server's lock file, as pg_ctl does: ready, or for a standby that admits
// no queries standby.
func postmasterReady(data, wanted string) error {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return err
	}
	const statusLine = 7
	lines := strings.Split(string(b), "\n")
	if len(lines) <= statusLine || strings.TrimSpace(lines[statusLine]) != wanted {
		return fmt.Errorf("postmaster.pid does not say %s yet", wanted)
	}
	return nil
}
