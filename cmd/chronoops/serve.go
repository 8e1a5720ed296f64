package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"github.com/chronoops/chronoops/collector"
)

// gcPercent trades a little CPU for memory: the heap is small and lives beside somebody's production.
const gcPercent = 50

// stopWithin bounds the graceful stop: what has begun by then is found again by the next process.
const stopWithin = 30 * time.Second

func registerServe(app *kingpin.Application, do commands, con console) {
	f := &serveFlags{}
	cmd := app.Command("serve", "Serve metrics, and receive alerts if the configuration has a receiver.").Default()
	f.register(cmd, app)
	do[cmd.FullCommand()] = func(ctx context.Context) int {
		return serve(ctx, f, con)
	}
}

// server is the running program.
type server struct {
	f        *serveFlags
	log      *slog.Logger
	out      io.Writer
	getenv   func(string) string
	registry *prometheus.Registry
	own      *ownMetrics
	host     hostUnits
	exposer  *collector.Exposer
	prober   *collector.Exposer
	sup      *supervisor

	sockets, receiverSockets []net.Listener

	mu         sync.Mutex // one load of the configuration at a time
	config     atomic.Pointer[config]
	ownUnits   []*collector.Unit
	targets    []target
	exposition atomic.Pointer[exposition]
	free       atomic.Pointer[freeHandler]
	receiver   atomic.Pointer[receiverService]
	notReady   atomic.Pointer[string] // why the receiver is not there; nil if it is, or is not wanted
}

func serve(ctx context.Context, f *serveFlags, con console) int {
	f.log.Writer = con.err
	log := promslog.New(&f.log)
	s := &server{f: f, log: log, out: con.out, getenv: os.Getenv}
	s.registry, s.own = newRegistry(!f.disableExporter)
	if err := s.start(ctx); err != nil {
		log.Error("Start failed", "err", err)
		return exitFailed
	}
	if err := s.run(ctx); err != nil {
		log.Error("Server ended", "err", err)
		return exitFailed
	}
	return exitFine
}

func (s *server) start(ctx context.Context) (err error) {
	s.log.Info("Starting chronoops", "version", version.Info(), "build", version.BuildContext())
	runtime.GOMAXPROCS(int(s.f.maxProcs))
	if s.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := s.f.checkTelemetryPath(); err != nil {
		return err
	}
	c, err := load(s.f.configFile, s.getenv)
	if err != nil {
		return err
	}
	if err := s.bind(ctx); err != nil {
		return err
	}
	if s.ownUnits, err = newOwnUnits(s.registry, !s.f.disableExporter, s.log); err != nil {
		return err
	}
	if s.host, err = newHostUnits(s.f.host, s.log); err != nil {
		return err
	}
	for _, u := range s.host {
		u.ReportAs(reports["host"])
	}
	if s.f.selection.any(s.host) {
		s.registry.MustRegister(standIn("node_exporter"))
	}
	options := collector.ExposerOptions{TimeoutOffset: s.f.timeoutOffset, MaxRequests: s.f.maxRequests, OpenMetrics: s.f.openMetrics, Logger: s.log}
	s.prober = collector.NewExposer(options)
	if !s.f.disableExporter {
		options.Registerer = s.registry
	}
	s.exposer = collector.NewExposer(options)
	s.sup = newSupervisor(context.WithoutCancel(ctx), s.log)
	p, err := s.prepare(c)
	if err != nil {
		return err
	}
	if s.f.withReceiver && c.Receiver != nil {
		s.startReceiver(ctx, c)
	}
	s.use(c, p)
	if err := dropStartPages(); err != nil {
		s.log.Debug("Cannot give back the memory that only the start needed", "err", err)
	}
	return nil
}

// startReceiver starts the receiver or records why it cannot: metrics are served all the same.
func (s *server) startReceiver(ctx context.Context, c *config) {
	options, err := s.receiverOptions()
	if err == nil {
		var r *receiverService
		if r, err = startReceiver(ctx, c, options); err == nil {
			s.receiver.Store(r)
			s.own.receiverUp.Set(1)
			return
		}
	}
	reason := fmt.Sprintf("the receiver could not start: %v", err)
	s.notReady.Store(&reason)
	s.log.Error("The receiver could not start; metrics are served", "err", err)
}

// prepared is what a configuration is scraped by.
type prepared struct {
	targets    []target
	exposition *exposition
	free       *freeHandler
}

// prepare builds everything that can fail, so that a configuration is used as a whole or not at all.
func (s *server) prepare(c *config) (p *prepared, err error) {
	p = &prepared{}
	defer func() {
		if err != nil {
			closeUnused(p.targets, s.targets)
		}
	}()
	var ignored []error
	if p.targets, ignored, err = c.targets(s.targets, s.f.storagePath, s.log); err != nil {
		return p, err
	}
	for _, reason := range ignored {
		s.log.Warn("Variable of the environment ignored; it names no target that can be watched", "err", reason)
	}
	if p.exposition, err = newExposition(s.host, p.targets, s.ownUnits, s.f.selection, s.log); err != nil {
		return p, err
	}
	p.free, err = newFreeHandler(c.Probe, s.prober, s.log)
	return p, err
}

// use puts a configuration in force.
func (s *server) use(c *config, p *prepared) {
	// A follower of a log must end before its successor is scraped.
	wanted := map[runner]string{}
	for _, t := range p.targets {
		if t.runner != nil {
			wanted[t.runner] = t.key()
		}
	}
	if r := s.receiver.Load(); r != nil {
		maps.Copy(wanted, r.runners())
	}
	s.sup.set(wanted)
	old := s.targets
	s.targets = p.targets
	s.exposition.Store(p.exposition)
	s.free.Store(p.free)
	s.config.Store(c)
	closeUnused(old, p.targets)
	s.own.reloadOK.Set(1)
	s.own.reloadTime.SetToCurrentTime()
}

// reload reads the configuration again. On an error the one before stays in force.
func (s *server) reload(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if err != nil {
			s.own.reloadOK.Set(0)
			s.log.Error("Configuration not reloaded; the one before stays in force", "err", err)
			return
		}
		s.log.Info("Configuration reloaded", "file", s.f.configFile)
	}()
	c, err := load(s.f.configFile, s.getenv)
	if err != nil {
		return err
	}
	p, err := s.prepare(c)
	if err != nil {
		return err
	}
	if s.f.withReceiver {
		if err := s.reloadReceiver(ctx, c); err != nil {
			closeUnused(p.targets, s.targets)
			return err
		}
	}
	s.use(c, p)
	return nil
}

func (s *server) reloadReceiver(ctx context.Context, c *config) error {
	r := s.receiver.Load()
	switch {
	case c.Receiver == nil && r != nil:
		return errors.New("the receiver cannot be removed by a reload: restart chronoops")
	case c.Receiver == nil:
		s.notReady.Store(nil)
		return nil
	case r != nil:
		o, err := s.receiverOptions() // what the listener asks of clients may have changed
		if err != nil {
			return err
		}
		return r.reload(c, o)
	}
	s.startReceiver(ctx, c)
	if s.receiver.Load() == nil {
		return errors.New(*s.notReady.Load())
	}
	s.notReady.Store(nil)
	return nil
}

func (s *server) run(ctx context.Context) error {
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- l.serve() }()
	}
	hup := make(chan os.Signal, 1) // before anybody is told that it is ready, or the signal could come too early
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s.log.Info("Ready", "metrics", addresses(s.sockets, s.f.web), "receiver", s.receiverAddresses(), "receiver_up", s.receiver.Load() != nil)
	s.welcome(s.out)
	notifySystemd(s.log, "READY=1")
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go s.keepWatchdog(alive) // beside the loop: a reload may take its time, and so may a graceful stop
	for {
		select {
		case <-hup:
			notifyReloading(s.log)
			_ = s.reload(ctx) // it has logged and counted its error
			notifySystemd(s.log, "READY=1")
		case err := <-failed:
			s.stop(listeners)
			return err
		case <-ctx.Done():
			s.log.Info("Stopping")
			notifySystemd(s.log, "STOPPING=1")
			s.stop(listeners)
			return nil
		}
	}
}

// stop ends gracefully: no new messages, answers finished, steps that have begun committed.
func (s *server) stop(listeners []*listener) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if r := s.receiver.Load(); r != nil {
		r.intake.Drain()
	}
	for _, l := range listeners {
		if err := l.shutdown(ctx); err != nil {
			s.log.Warn("Connections were cut", "err", err)
		}
	}
	done := make(chan struct{})
	go func() { s.sup.stop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.log.Warn("Work was still under way; the next start finds out what became of it")
	}
	closeUnused(s.targets, nil)
	if r := s.receiver.Load(); r != nil {
		if err := r.close(); err != nil {
			s.log.Error("Store not closed", "err", err)
		}
	}
}
