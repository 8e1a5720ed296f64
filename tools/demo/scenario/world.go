package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/tools/stack"
)

// world is everything that runs.
type world struct {
	o        Options
	dir      string // of the demo's own files
	bin      string // of its programs
	closers  []func()
	servers  []server // in the order of their start
	postgres *stack.Postgres
	redis    *stack.Redis
	nginx    *stack.Nginx
	prom     *stack.Prometheus
	am       *stack.Alertmanager
	apis     *processes
	area     *area
	pages    *pages
	people   *person
	url      string // of chronoops

	rules     *board // alerts as Prometheus sees them
	alerts    *board // alerts as Alertmanager sees them
	incidents *incidents
}

// server is a process whose output helps to understand a failure.
type server struct {
	name string
	*stack.Server
}

// start brings everything up. What is up is in the world even when there is an error.
func start(ctx context.Context, o Options) (*world, error) {
	w := &world{o: o}
	dir, remove, err := stack.TempDir("demo")
	if err != nil {
		return w, err
	}
	w.closers = append(w.closers, remove)
	// A root of files.clean may not lie behind a symlink.
	if w.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return w, err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"the programs", w.build},
		{"PostgreSQL and Redis", w.startDatabases},
		{"the APIs, one of them behind nginx", w.startAPIs},
		{"the disk area and the people's inboxes", w.startSurroundings},
		{"Alertmanager and Prometheus", w.startMonitoring},
		{"chronoops", w.startChronoops},
		{"their connections", w.connect},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return w, fmt.Errorf("start %s: %w", step.what, err)
		}
		o.Timeline.Say(Demo, fmt.Sprintf("started %s (%.1fs)", step.what, time.Since(began).Seconds()))
	}
	return w, nil
}

func (w *world) add(name string, s *stack.Server) {
	w.servers = append(w.servers, server{name, s})
	w.closers = append(w.closers, func() {
		if err := s.Stop(); err != nil {
			w.o.Timeline.Say(Demo, err.Error())
		}
	})
}

func (w *world) startDatabases(ctx context.Context) error {
	var err error
	// Of 20 connections three are kept for superusers: ordinary users have 17.
	if w.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{Settings: map[string]string{"max_connections": "20"}}); err != nil {
		return err
	}
	w.add("PostgreSQL", w.postgres.Server)
	if err := createRoles(ctx, w.postgres.URL); err != nil {
		return err
	}
	if w.redis, err = stack.StartRedis(ctx, stack.RedisOptions{}); err != nil {
		return err
	}
	w.add("Redis", w.redis.Server)
	return nil
}

func (w *world) startAPIs(ctx context.Context) error {
	var err error
	if w.apis, err = newProcesses(w.dir, filepath.Join(w.bin, "api")); err != nil {
		return err
	}
	w.closers = append(w.closers, w.apis.close)
	for _, name := range []string{shop, ledger} {
		if err := w.apis.define(name, ""); err != nil {
			return err
		}
	}
	if err := w.apis.define(billing, w.apis.address(ledger)); err != nil {
		return err
	}
	for _, name := range []string{shop, ledger, billing} {
		if err := w.apis.start(ctx, name); err != nil {
			return err
		}
	}
	if w.nginx, err = stack.StartNginx(ctx, stack.NginxOptions{Config: nginxSite(w.apis.address(shop))}); err != nil {
		return err
	}
	w.add("nginx", w.nginx.Server)
	w.closers = append(w.closers, visit(w.nginx.URL))
	return nil
}

// nginxSite logs as the application's own nginx does.
func nginxSite(upstream string) string {
	return `
	log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
		'"$http_x_forwarded_for" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"';
	server {
		listen 127.0.0.1:@PORT@;
		access_log @DIR@/access.log timed;
		location / { proxy_pass http://` + upstream + `; }
	}`
}

func (w *world) startSurroundings(context.Context) error {
	var err error
	if w.area, err = newArea(filepath.Join(w.dir, "spool")); err != nil {
		return err
	}
	w.closers = append(w.closers, w.area.close)
	if w.pages, err = newPages(w.o.Timeline); err != nil {
		return err
	}
	w.closers = append(w.closers, w.pages.close)
	return nil
}

// startMonitoring starts both without work: their configurations name chronoops, which has no address yet.
func (w *world) startMonitoring(ctx context.Context) error {
	var err error
	w.am, err = stack.StartAlertmanager(ctx, stack.AlertmanagerOptions{Config: "route: {receiver: none}\nreceivers: [{name: none}]\n"})
	if err != nil {
		return err
	}
	w.add("Alertmanager", w.am.Server)
	if w.prom, err = stack.StartPrometheus(ctx, stack.PrometheusOptions{Config: "global: {}\n"}); err != nil {
		return err
	}
	w.add("Prometheus", w.prom.Server)
	return nil
}

func (w *world) startChronoops(ctx context.Context) error {
	if err := os.WriteFile(w.path("webhook.token"), []byte(newToken()+"\n"), 0o600); err != nil {
		return err
	}
	text, err := w.config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.path("chronoops.yml"), []byte(text), 0o600); err != nil {
		return err
	}
	var failed error
	for range 3 { // the port may be taken between its choice and its use
		port, err := stack.FreePort()
		if err != nil {
			return err
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		s, err := stack.Start(ctx, stack.Command{
			Name: "chronoops", Path: w.program(), Dir: w.dir,
			Args: []string{
				"serve", "--config.file=" + w.path("chronoops.yml"), "--storage.path=" + w.path("state"), "--web.listen-address=" + addr,
				// A scrape may take a second here. What this machine's own disks hold is not the demo's business.
				"--timeout-offset=100ms", "--no-collector.filesystem",
			},
			Env:   []string{"DATABASE_URL=", "REDIS_URL=", "API_URL=", "STATE_DIRECTORY="},
			Ready: stack.HTTPReady("http://" + addr + "/-/ready"),
		})
		if err == nil {
			w.add("chronoops", s)
			w.url = "http://" + addr
			w.people = &person{world: w, program: w.program()}
			return nil
		}
		if failed = err; !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return failed
}

// connect puts the shipped configurations in force and begins to look.
func (w *world) connect(ctx context.Context) error {
	if err := w.deploy(ctx); err != nil {
		return err
	}
	w.rules = &board{who: Prometheus, timeline: w.o.Timeline, fetch: promAlerts(w.prom.URL)}
	w.alerts = &board{who: Alertmanager, timeline: w.o.Timeline, fetch: managedAlerts(w.am.URL)}
	var err error
	w.incidents, err = newIncidents(w.url, w.path("state"), w.o.Timeline)
	return err
}

// watch looks at everything until stop, and cancels the context when a server ends that should run.
func (w *world) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var running []<-chan struct{}
	for _, look := range []func(context.Context){w.rules.run, w.alerts.run, w.incidents.run, w.pages.runWebhook, w.pages.runMail} {
		done := make(chan struct{})
		running = append(running, done)
		go func() { defer close(done); look(ctx) }()
	}
	for _, s := range w.servers {
		go func() {
			select {
			case <-s.Exited():
				cancel(fmt.Errorf("%s ended unexpectedly", s.name))
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() {
		cancel(context.Canceled)
		for _, done := range running {
			<-done
		}
	}
}

// path names a file of the demo.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// close ends everything, the last first.
func (w *world) close() {
	for _, c := range slices.Backward(w.closers) {
		c()
	}
	w.closers = nil
}

const tailLines = 12

// explain adds the ends of the logs to a failure.
func (w *world) explain(err error) error {
	var b strings.Builder
	for _, s := range w.servers {
		lines := strings.Split(s.Output(), "\n")
		fmt.Fprintf(&b, "\n--- the last that %s said:\n%s\n", s.name, strings.Join(lines[max(0, len(lines)-tailLines):], "\n"))
	}
	if w.apis != nil {
		b.WriteString(w.apis.logs())
	}
	return &StepError{Err: err, Logs: b.String()}
}

// StepError is a step that was not observed, with what the servers said.
type StepError struct {
	Err  error
	Logs string
}

// Error implements error.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns what failed.
func (e *StepError) Unwrap() error { return e.Err }
