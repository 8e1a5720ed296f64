package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// transport answers as the test says, without a network, so that time may be virtual.
type transport func(*http.Request) (int, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	code, err := t(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			log     bytes.Buffer
			beats   int
			answer  = 200
			healthy error
			seen    []error
		)
		h := NewHeartbeat(HeartbeatOptions{
			Config:  HeartbeatConfig{URL: "https://hc.example/s3cr3t-uuid", Interval: model.Duration(time.Minute)},
			Healthy: func() error { return healthy },
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
			Client: &http.Client{Transport: transport(func(r *http.Request) (int, error) {
				beats++
				if answer == 0 {
					return 0, errors.New("connection refused")
				}
				return answer, nil
			})},
			Observe: func(err error) { seen = append(seen, err) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		minutes := func(n int) {
			time.Sleep(time.Duration(n) * time.Minute)
			synctest.Wait()
		}
		synctest.Wait()
		if beats != 1 {
			t.Errorf("%d beats at the start, want 1", beats)
		}
		minutes(3)
		if beats != 4 {
			t.Errorf("%d beats after three minutes, want 4", beats)
		}
		healthy = errors.New("store is down")
		minutes(5)
		if beats != 4 {
			t.Errorf("%d beats while not healthy, want still 4", beats)
		}
		healthy, answer = nil, 0
		minutes(2)
		answer = 404
		minutes(1)
		answer = 200
		minutes(2)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := strings.Count(log.String(), "\n"); got != 3 { // goes out, stopped, goes out again
			t.Errorf("%d log lines, want one for each change:\n%s", got, log.String())
		}
		mustContain(t, log.String(), "store is down")
		mustLack(t, log.String(), "s3cr3t")
		failed := 0
		for _, err := range seen {
			if err != nil {
				failed++
				mustLack(t, err.Error(), "s3cr3t")
			}
		}
		if len(seen) != 14 || failed != 8 {
			t.Errorf("%d observations, %d of them failures", len(seen), failed)
		}
	})
}

func TestHeartbeatOverTheWire(t *testing.T) {
	sink := notifytest.NewWebhook(t)
	f, err := load("heartbeat: {url: '" + sink.URL() + "/ping/s3cr3t-uuid', method: POST}")
	if err != nil {
		t.Fatal(err)
	}
	if !f.Heartbeat.Enabled() || time.Duration(f.Heartbeat.Interval) != time.Minute {
		t.Errorf("heartbeat %+v", f.Heartbeat)
	}
	h := NewHeartbeat(HeartbeatOptions{Config: f.Heartbeat, Version: "1.2.3"})
	if err := h.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := notifytest.Take(t, sink); r.Method != "POST" || r.Path != "/ping/s3cr3t-uuid" || r.Header.Get("User-Agent") != "chronoops/1.2.3" {
		t.Errorf("request %+v", r)
	}
	sink.Fail(notifytest.Fault{Status: 500})
	if err := h.beat(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("refused: %v", err)
	}
}
