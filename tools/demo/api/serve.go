package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serve answers until its owner is gone.
func serve(o options) error {
	if err := follow(o); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			log.Print("reloaded")
		}
	}()
	listener, err := listen(o.listen)
	if err != nil {
		return err
	}
	log.Printf("%s listens on %s", o.name, o.listen)
	server := &http.Server{Handler: o.handler(), ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// listen waits until a process that is ending has left the address.
func listen(addr string) (net.Listener, error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := net.Listen("tcp", addr)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			return l, err
		}
	}
}

// follow tells the owner who we are, and ends this process when the owner does: it started us through others, so that no
// signal at the parent's death would do.
func follow(o options) error {
	if o.owner == "" {
		return nil
	}
	conn, err := net.Dial("unix", o.owner)
	if err != nil {
		return fmt.Errorf("find the owner: %w", err)
	}
	if err := json.NewEncoder(conn).Encode(map[string]any{"name": o.name, "pid": os.Getpid()}); err != nil {
		return fmt.Errorf("tell the owner: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		os.Exit(0)
	}()
	return nil
}

func (o options) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.dependency(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			answer(w, map[string]string{"status": "unhealthy", "reason": err.Error()})
			return
		}
		answer(w, map[string]string{"status": "healthy"})
	})
	mux.HandleFunc("GET /api/v1/stocks/{code}/data", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"code": r.PathValue("code"), "close": 12.34})
	})
	return mux
}

func answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print("answer: ", err)
	}
}

// dependency asks what this API needs.
func (o options) dependency() error {
	if o.needs == "" {
		return nil
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + o.needs + "/health")
	if err != nil {
		return fmt.Errorf("the service at %s does not answer", o.needs)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the service at %s answers %s", o.needs, resp.Status)
	}
	return nil
}
