package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
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
			mu      sync.Mutex // over all that follows
			log     bytes.Buffer
			beats   int
			answer  = 200
			healthy error
			seen    []error
		)
		h := NewHeartbeat(HeartbeatOptions{
			Config: HeartbeatConfig{URL: "https://hc.example/s3cr3t-uuid", Interval: model.Duration(time.Minute)},
			Healthy: func() error {
				mu.Lock()
				defer mu.Unlock()
				return healthy
			},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Client: &http.Client{Transport: transport(func(*http.Request) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				beats++
				if answer == 0 {
					return 0, errors.New("connection refused")
				}
				return answer, nil
			})},
			Observe: func(err error) { seen = append(seen, err) }, // read after Run has ended
		})
		set := func(code int, err error) {
			mu.Lock()
			defer mu.Unlock()
			answer, healthy = code, err
		}
		expect := func(want int, when string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if beats != want {
				t.Errorf("%d beats %s, want %d", beats, when, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		minutes := func(n int) {
			time.Sleep(time.Duration(n) * time.Minute)
			synctest.Wait()
		}
		synctest.Wait()
		expect(1, "at the start")
		minutes(3)
		expect(4, "after three minutes")
		set(200, errors.New("store is down"))
		minutes(5)
		expect(4, "while not healthy")
		set(0, nil)
		minutes(2)
		set(404, nil)
		minutes(1)
		set(200, nil)
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
	if r := notifytest.Take(t, sink); r.Method != http.MethodPost || r.Path != "/ping/s3cr3t-uuid" || r.Header.Get("User-Agent") != "chronoops/1.2.3" {
		t.Errorf("request %+v", r)
	}
	sink.Fail(notifytest.Fault{Status: 500})
	if err := h.beat(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("refused: %v", err)
	}
}
