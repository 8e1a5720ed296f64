package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// listener is one HTTP server with the sockets and flags that it obeys.
type listener struct {
	http    *http.Server
	sockets []net.Listener // nil: those that the flags name
	flags   *web.FlagConfig
	log     *slog.Logger
}

func (l *listener) serve() error {
	var err error
	if l.sockets == nil {
		err = web.ListenAndServe(l.http, l.flags, l.log)
	} else {
		err = web.ServeMultiple(l.sockets, l.http, l.flags, l.log)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", strings.Join(*l.flags.WebListenAddresses, ", "), err)
}

func (l *listener) shutdown(ctx context.Context) error {
	if err := l.http.Shutdown(ctx); err != nil {
		return errors.Join(err, l.http.Close())
	}
	return nil
}

// bind opens the sockets of a listener, so that a taken port is known before anything is started. Those of systemd and
// vsock are left to the library.
func bind(ctx context.Context, flags *web.FlagConfig) (sockets []net.Listener, err error) {
	if *flags.WebSystemdSocket || slices.ContainsFunc(*flags.WebListenAddresses, func(a string) bool { return strings.Contains(a, "://") }) {
		return nil, nil
	}
	for _, address := range *flags.WebListenAddresses {
		socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			closeAll(sockets)
			return nil, fmt.Errorf("%w: is another chronoops running? choose another address with --web.listen-address", err)
		}
		sockets = append(sockets, socket)
	}
	return sockets, nil
}

func closeAll(sockets []net.Listener) {
	for _, s := range sockets {
		_ = s.Close()
	}
}

// bind opens the sockets of every listener.
func (s *server) bind(ctx context.Context) (err error) {
	if s.sockets, err = bind(ctx, s.f.web); err != nil || !s.f.ownListener() {
		return err
	}
	if s.receiverSockets, err = bind(ctx, &s.f.receiver); err != nil {
		closeAll(s.sockets)
	}
	return err
}

// addresses are where a listener can be reached: the port may have been left to the kernel.
func addresses(sockets []net.Listener, flags *web.FlagConfig) []string {
	if sockets == nil {
		return slices.Clone(*flags.WebListenAddresses)
	}
	list := make([]string, 0, len(sockets))
	for _, s := range sockets {
		list = append(list, s.Addr().String())
	}
	return list
}

// receiverAddresses are those of the listener that the receiver is on.
func (s *server) receiverAddresses() []string {
	if s.f.ownListener() {
		return addresses(s.receiverSockets, &s.f.receiver)
	}
	return addresses(s.sockets, s.f.web)
}

// listen builds one listener, or two if the receiver has its own.
func (s *server) listen() ([]*listener, error) {
	receiver := &receiverHandler{service: &s.receiver, reason: s.whyNoReceiver}
	mux := http.NewServeMux()
	if err := s.routes(mux, receiver); err != nil {
		return nil, err
	}
	list := []*listener{{http: newHTTPServer(mux), sockets: s.sockets, flags: s.f.web, log: s.log}}
	if s.f.ownListener() {
		list = append(list, &listener{http: newHTTPServer(receiver), sockets: s.receiverSockets, flags: &s.f.receiver, log: s.log})
	}
	return list, nil
}

// slowest is how long a request may take as a whole: a minute more than the longest scrape.
const slowest = 3 * time.Minute

func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: slowest, WriteTimeout: slowest, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}
