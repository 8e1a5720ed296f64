package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// HeartbeatConfig says where to report that we are alive. Whoever receives it raises the alarm when it stops.
type HeartbeatConfig struct {
	URL      string         `yaml:"url,omitempty"` // holds a credential
	URLFile  string         `yaml:"url_file,omitempty"`
	Method   string         `yaml:"method,omitempty"` // GET or POST
	Interval model.Duration `yaml:"interval,omitempty"`
}

// Enabled reports whether there is anywhere to report to.
func (c HeartbeatConfig) Enabled() bool { return c.URL != "" || c.URLFile != "" }

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *HeartbeatConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain HeartbeatConfig
	p := plain{Method: http.MethodGet, Interval: model.Duration(time.Minute)}
	if err := unmarshal(&p); err != nil {
		return err
	}
	switch {
	case (p.URL == "") == (p.URLFile == ""):
		return errors.New("heartbeat: want exactly one of url and url_file")
	case p.URL != "" && !validHeartbeatURL(p.URL):
		return errors.New("heartbeat: url must begin with http:// or https:// and name a host")
	case p.Method != http.MethodGet && p.Method != http.MethodPost:
		return fmt.Errorf("heartbeat: method %q: want GET or POST", p.Method)
	case time.Duration(p.Interval) < time.Second:
		return fmt.Errorf("heartbeat: interval %s is too short: want at least 1s, and usually 1m", p.Interval)
	}
	*c = HeartbeatConfig(p)
	return nil
}

// MarshalYAML implements yaml.Marshaler; it hides the URL.
func (c HeartbeatConfig) MarshalYAML() (any, error) {
	type plain HeartbeatConfig
	if c.URL != "" {
		c.URL = hidden
	}
	return plain(c), nil
}

func validHeartbeatURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// HeartbeatOptions make a Heartbeat.
type HeartbeatOptions struct {
	Config  HeartbeatConfig
	Healthy func() error // nothing is sent while it returns an error
	Version string
	Logger  *slog.Logger
	Client  *http.Client     // nil: one of its own
	Observe func(sent error) // after each interval: nil when the beat was accepted; for metrics; may be nil
}

// Heartbeat is a Runner that reports at intervals that we are alive and well.
type Heartbeat struct {
	o       HeartbeatOptions
	secrets secrets
	failing bool // as logged last
	began   bool
}

// NewHeartbeat makes a heartbeat that is not yet running.
func NewHeartbeat(o HeartbeatOptions) *Heartbeat {
	if o.Config.Method == "" {
		o.Config.Method = http.MethodGet
	}
	if o.Config.Interval == 0 {
		o.Config.Interval = model.Duration(time.Minute)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	h := &Heartbeat{o: o}
	h.secrets.collect(map[string]any{"url": o.Config.URL, "url_file": o.Config.URLFile}, "")
	return h
}

// Run beats at once and then at each interval, until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Duration(h.o.Config.Interval))
	defer ticker.Stop()
	for {
		err := h.beat(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.report(err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (h *Heartbeat) beat(ctx context.Context) error {
	if h.o.Healthy != nil {
		if err := h.o.Healthy(); err != nil {
			return fmt.Errorf("not healthy: %w", err)
		}
	}
	target, err := h.target()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, min(10*time.Second, time.Duration(h.o.Config.Interval)))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, h.o.Config.Method, target, nil)
	if err != nil {
		return fmt.Errorf("make the heartbeat's request: %w", h.secrets.wrap(err))
	}
	req.Header.Set("User-Agent", "chronoops/"+h.o.Version)
	resp, err := h.o.Client.Do(req)
	if err != nil {
		return fmt.Errorf("send the heartbeat: %w", h.secrets.wrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send the heartbeat: the receiver answered %d", resp.StatusCode)
	}
	return nil
}

func (h *Heartbeat) target() (string, error) {
	if h.o.Config.URLFile == "" {
		return h.o.Config.URL, nil
	}
	b, err := os.ReadFile(h.o.Config.URLFile)
	if err != nil {
		return "", fmt.Errorf("read the heartbeat's url_file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// report logs changes only: a receiver that is away for a day is one line, and one when it is back.
func (h *Heartbeat) report(err error) {
	if h.o.Observe != nil {
		h.o.Observe(err)
	}
	switch {
	case err != nil && (!h.failing || !h.began):
		h.o.Logger.Warn("The heartbeat stopped", "err", err)
	case err == nil && (h.failing || !h.began):
		h.o.Logger.Info("The heartbeat goes out", "interval", h.o.Config.Interval)
	}
	h.failing, h.began = err != nil, true
}
