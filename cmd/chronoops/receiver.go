package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/notify"
	"github.com/chronoops/chronoops/receiver/store"
)

// receiverOptions are what the receiver needs besides the configuration.
type receiverOptions struct {
	storage     string
	listen      []string // addresses of its listener
	basicAuth   bool     // the listener asks for HTTP Basic itself
	clientCerts bool     // the listener verifies client certificates
	registry    *prometheus.Registry
	log         *slog.Logger
}

// receiverService is the running receiver.
type receiverService struct {
	o         receiverOptions
	db        *store.DB
	clock     *receiver.SystemClock
	current   current
	auth      *api.Auth
	engine    *engine.Engine
	intake    *intake.Handler
	metrics   *engine.Metrics
	api       atomic.Pointer[http.ServeMux]
	paths     atomic.Pointer[[]string]
	config    *config
	heartbeat *notify.Heartbeat
	beats     heartbeatMetrics
	janitor   *janitor
	threads   notify.Threads // of Slack; they outlive a reload
}

// startReceiver opens the store and builds the receiver. It refuses an unauthenticated listener once anything is armed.
func startReceiver(ctx context.Context, c *config, o receiverOptions) (_ *receiverService, err error) {
	if err := c.checkListener(o); err != nil {
		return nil, err
	}
	r := &receiverService{o: o, clock: receiver.NewSystemClock(), threads: notify.NewMemoryThreads()}
	if r.db, err = store.Open(ctx, store.Options{Dir: o.storage, Clock: r.clock}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.db.Close())
		}
	}()
	err = r.db.View(ctx, func(tx *store.Tx) error {
		latest, err := tx.Latest()
		r.clock.AtLeast(latest)
		return err
	})
	if err != nil {
		return nil, err
	}
	operator, err := api.EnsureOperatorToken(o.storage)
	if err != nil {
		return nil, err
	}
	r.auth, err = api.NewAuth(api.AuthOptions{Credentials: c.Receiver.Credentials, OperatorFile: operator, Guarded: r.guarded, Logger: o.log})
	if err != nil {
		return nil, err
	}
	p, err := r.newParts(c)
	if err != nil {
		return nil, err
	}
	// Registered once nothing can fail any more: a reload may try again.
	r.metrics, r.beats = engine.NewMetrics(o.registry), newHeartbeatMetrics(o.registry)
	r.engine = engine.New(engine.Options{
		Owner: c.Instance.Name + "/" + uuid.NewString(), Store: engineStore{r.db}, Clock: r.clock, Policies: r.current.Policies, Actions: &r.current,
		Pager: &r.current, Alertmanager: &r.current, Prover: &r.current, StopFile: stopFile(r.o.storage), Link: r.link, Metrics: r.metrics, Logger: o.log,
	})
	r.intake = intake.NewHandler(intake.Options{
		Store: intakeStore{r.db}, Auth: r.auth, Policies: r.current.Policies,
		Timeout: 10 * time.Second, Rejected: intake.RejectedDir(filepath.Join(o.storage, "rejected")), Metrics: intake.NewMetrics(o.registry),
		Logger: o.log, Committed: r.engine.Wake,
	})
	r.use(c, p)
	return r, nil
}

func (r *receiverService) newParts(c *config) (*parts, error) {
	storage, err := realPath(r.o.storage)
	if err != nil {
		return nil, err
	}
	return c.newParts(actionOptions{Protected: []string{storage}, Logger: r.o.log}, r.o.listen, r.threads)
}

// realPath is absolute and without links: what is cleaned is named like that.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fmt.Errorf("find storage folder: %w", err)
	}
	return abs, nil
}

// use puts a checked configuration in force.
func (r *receiverService) use(c *config, p *parts) {
	if old := r.current.Load(); old != nil && reflect.DeepEqual(r.config.Targets.Postgres, c.Targets.Postgres) &&
		reflect.DeepEqual(r.config.Receiver.Postgres, c.Receiver.Postgres) && slices.Equal(old.actions.servers, p.actions.servers) {
		p.actions = p.actions.keepSessions(old.actions)
	}
	if r.config == nil || !reflect.DeepEqual(r.config.Receiver.Heartbeat, c.Receiver.Heartbeat) {
		r.heartbeat = nil
		if c.Receiver.Heartbeat.Enabled() {
			r.heartbeat = notify.NewHeartbeat(notify.HeartbeatOptions{
				Config: c.Receiver.Heartbeat, Healthy: r.engine.Healthy, Version: version.Version, Logger: r.o.log, Observe: r.beats.observe,
			})
		}
	}
	if r.janitor == nil || r.janitor.keep != time.Duration(c.Receiver.KeepMessages) {
		r.janitor = &janitor{db: r.db, keep: time.Duration(c.Receiver.KeepMessages), log: r.o.log}
	}
	r.config = c
	r.current.Store(p)
	r.metrics.Init(p.set)
	paths := c.Receiver.Paths()
	r.paths.Store(&paths)
	mux := http.NewServeMux()
	api.New(api.Options{
		Store: apiStore{r.db}, Auth: r.auth, Policies: r.current.Policies, Actions: p.actions.registry, StopFile: stopFile(r.o.storage), Wake: r.engine.Wake, Logger: r.o.log,
	}).Register(mux)
	r.api.Store(mux)
	r.engine.Wake()
}

// reload puts a new configuration in force, or keeps the old one and says why.
func (r *receiverService) reload(c *config, o receiverOptions) error {
	if err := c.checkListener(o); err != nil {
		return err
	}
	p, err := r.newParts(c)
	if err != nil {
		return err
	}
	if err := r.auth.Set(c.Receiver.Credentials); err != nil {
		return err
	}
	r.use(c, p)
	return nil
}

// runners are the components to be run now.
func (r *receiverService) runners() map[runner]string {
	list := map[runner]string{r.engine: "engine", r.current.Load().actions.sessions: "repair sessions", r.janitor: "janitor"}
	if r.heartbeat != nil {
		list[r.heartbeat] = "heartbeat"
	}
	return list
}

// guarded reports whether anything could act or page, so that nothing goes without a credential.
func (r *receiverService) guarded() bool {
	p := r.current.Load()
	return p == nil || p.set.Armed() || len(p.notifier.Roles()) > 0
}

// link is where a person finds an incident.
func (r *receiverService) link(id int64) string {
	base := r.current.Load().base
	if base == "" {
		base = "http://" + reachable(r.o.listen[0])
	}
	return fmt.Sprintf("%s/incidents/%d", strings.TrimSuffix(base, "/"), id)
}

func (r *receiverService) close() error { return r.db.Close() }

func (c *config) checkListener(o receiverOptions) error {
	return api.CheckListener(api.Listener{
		Armed: c.policySet().Armed(), Contacts: len(c.Contacts), Credentials: c.Receiver.Credentials, BasicAuth: o.basicAuth, ClientCerts: o.clientCerts,
	})
}

// keepSessions goes on with the sessions that an earlier set holds.
func (a actionSet) keepSessions(old actionSet) actionSet {
	list := a.registry.Replace(old.sessions)
	return actionSet{registry: list, sessions: old.sessions, servers: old.servers}
}

// receiverHandler routes to the receiver, or says why there is none.
type receiverHandler struct {
	service *atomic.Pointer[receiverService]
	reason  func() string
}

// ServeHTTP implements http.Handler.
func (h *receiverHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.service.Load()
	if s == nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "code": "no_receiver", "error": h.reason()})
		return
	}
	if slices.Contains(*s.paths.Load(), r.URL.Path) {
		s.intake.ServeHTTP(w, r)
		return
	}
	s.api.Load().ServeHTTP(w, r)
}
