package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"slices"

	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/chronoops/chronoops/collector"
	apicollector "github.com/chronoops/chronoops/collector/api"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/rules"
)

type freeHandler = apicollector.FreeHandler

func newFreeHandler(c apicollector.FreeConfig, e *collector.Exposer, log *slog.Logger) (*freeHandler, error) {
	free, err := apicollector.NewFree(c)
	if err != nil {
		return nil, err
	}
	return &freeHandler{Free: free, Exposer: e, Logger: log}, nil
}

func (s *server) routes(mux *http.ServeMux, receiver http.Handler) error {
	mux.Handle("GET "+s.f.telemetryPath, s.exposer.Metrics(func() *collector.Set { return s.exposition.Load().metrics }))
	mux.Handle("GET /probe", collector.ProbeHandler{
		Exposer: s.prober,
		Lookup:  func(ctx context.Context, name string) *collector.Set { return s.exposition.Load().lookup(ctx, name) },
		Module:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.free.Load().ServeHTTP(w, r) }),
	})
	mux.Handle("GET /sd", collector.Discovery{Targets: func(ctx context.Context) []collector.Announcement {
		return s.exposition.Load().announcements(ctx)
	}})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "chronoops is healthy.") })
	mux.HandleFunc("GET /-/ready", s.ready)
	mux.HandleFunc("GET /runbooks/{alert}", handleRunbook)
	mux.HandleFunc("/-/reload", s.handleReload)
	mux.Handle("GET /config", s.guarded((*api.Auth).RequireViewer, http.HandlerFunc(s.handleConfig)))
	links := []web.LandingLinks{
		{Address: s.f.telemetryPath, Text: "Metrics"},
		{Address: "/sd", Text: "Targets", Description: "for Prometheus' http_sd_configs; each is at /probe?target=NAME"},
		{Address: "/config", Text: "Configuration", Description: "in force, secrets left out"},
		{Address: "/-/ready", Text: "Ready"},
	}
	if !s.f.ownListener() {
		mux.Handle("/api/", receiver)
		mux.Handle("/incidents", receiver)
		mux.Handle("/incidents/", receiver)
		links = append([]web.LandingLinks{{Address: "/incidents", Text: "Incidents", Description: "and what chronoops did about them"}}, links...)
	}
	if s.f.pprof {
		s.pprofRoutes(mux)
	}
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "chronoops", Description: "Watches a web stack, repairs what can safely be repaired, and pages people if it could not.",
		Version: version.Info(), Links: links, Profiling: "false",
	})
	if err != nil {
		return fmt.Errorf("build landing page: %w", err)
	}
	mux.Handle("/", s.sourcePaths(landing, receiver))
	return nil
}

// sourcePaths lets sources post to paths of their own, which the configuration may change.
func (s *server) sourcePaths(landing, receiver http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if service := s.receiver.Load(); service != nil && !s.f.ownListener() && r.Method == http.MethodPost && slices.Contains(*service.paths.Load(), r.URL.Path) {
			receiver.ServeHTTP(w, r)
			return
		}
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		landing.ServeHTTP(w, r)
	})
}

func (s *server) whyNoReceiver() string {
	if reason := s.notReady.Load(); reason != nil {
		return *reason
	}
	return "no receiver is configured: add a `receiver:` section"
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if reason := s.notReady.Load(); reason != nil {
		http.Error(w, *reason, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "chronoops is ready.")
}

// guarded asks the receiver's credentials, and lets nobody pass while a receiver is wanted and missing.
func (s *server) guarded(require func(*api.Auth, http.Handler) http.Handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if service := s.receiver.Load(); service != nil {
			require(service.auth, next).ServeHTTP(w, r)
			return
		}
		if reason := s.notReady.Load(); reason != nil {
			http.Error(w, "nobody can prove who they are: "+*reason, http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) handleReload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		refuse(w, http.StatusMethodNotAllowed, "method", "use POST")
		return
	}
	service := s.receiver.Load()
	if service == nil {
		refuse(w, http.StatusForbidden, "no_token", "there is no operator token without a receiver: send SIGHUP instead")
		return
	}
	service.auth.RequireOperator(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.reload(context.WithoutCancel(r.Context())); err != nil {
			refuse(w, http.StatusUnprocessableEntity, "config", err.Error())
			return
		}
		_, _ = fmt.Fprintln(w, "reloaded")
	})).ServeHTTP(w, r)
}

func (s *server) handleConfig(w http.ResponseWriter, _ *http.Request) {
	text, err := s.config.Load().redacted()
	if err != nil {
		s.log.Error("Configuration could not be shown", "err", err)
		refuse(w, http.StatusInternalServerError, "config", "the configuration could not be shown: see the log")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text)
}

func (s *server) pprofRoutes(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.Handle(path, s.guarded((*api.Auth).RequireOperator, h))
	}
}

// handleRunbook shows the runbook that a shipped alert links to.
func handleRunbook(w http.ResponseWriter, r *http.Request) {
	text, err := rules.Runbook(r.PathValue("alert"))
	if err != nil {
		refuse(w, http.StatusNotFound, "not_found", "no shipped alert has this name")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text)
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "code": code, "error": text})
}

// reachable turns a listen address into one that a client on this machine can use.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

// receiverOptions reads what the listener's own configuration asks of clients.
func (s *server) receiverOptions() (receiverOptions, error) {
	o := receiverOptions{storage: s.f.storagePath, listen: s.receiverAddresses(), registry: s.registry, log: s.log}
	file := *s.f.web.WebConfigFile
	if s.f.ownListener() {
		file = *s.f.receiver.WebConfigFile
	}
	var err error
	o.basicAuth, o.clientCerts, err = webConfigAuth(file)
	return o, err
}
