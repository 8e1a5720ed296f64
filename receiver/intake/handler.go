package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Tx is what intake needs inside a transaction.
type Tx interface {
	incident.Tx
	InsertMessage(source, hash string, body []byte) (repeat bool, err error)
	SawWatchdog(source string) error
}

// Store commits durably before Update returns nil.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
}

// Authenticator names the source that a request's credential belongs to. An error is safe to show.
type Authenticator interface {
	Source(r *http.Request) (name string, err error)
}

// Options of a Handler.
type Options struct {
	Store     Store
	Auth      Authenticator
	Policies  func() *policy.Set // the set in force
	Timeout   time.Duration      // for the commit
	Rejected  Rejected
	Metrics   *Metrics
	Logger    *slog.Logger
	Committed func() // called after a commit that may have made work due
}

// Rejected keeps the last body that could not be taken, for a person to look at.
type Rejected interface {
	Keep(code string, body []byte) error
}

// Handler is the webhook.
type Handler struct {
	o        Options
	draining atomic.Bool
}

// NewHandler returns the webhook's handler.
func NewHandler(o Options) *Handler { return &Handler{o: o} }

// Drain makes every further request answer 503, so that Alertmanager tries again later.
func (h *Handler) Drain() { h.draining.Store(true) }

// ServeHTTP answers 200 only after the message is committed.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	source, code, err := h.take(w, r)
	status := http.StatusOK
	if err != nil {
		status = statusOf(code)
		h.o.Logger.Warn("Webhook message not taken", "sender", source, "code", code, "status", status, "remote", r.RemoteAddr, "err", err)
	}
	h.o.Metrics.request(source, code, time.Since(start))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	answer := map[string]string{"status": "success"}
	if err != nil {
		answer = map[string]string{"status": "error", "code": code, "error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func statusOf(code string) int {
	switch code {
	case "method":
		return http.StatusMethodNotAllowed
	case "auth":
		return http.StatusUnauthorized
	case "too_large":
		return http.StatusRequestEntityTooLarge
	case "read":
		return http.StatusBadRequest
	case "store", "draining":
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) (source, code string, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", "method", errors.New("use POST")
	}
	if h.draining.Load() {
		return "", "draining", errors.New("shutting down: try again")
	}
	source, err = h.o.Auth.Source(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return "", "auth", err
	}
	set := h.o.Policies()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, set.MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return source, "too_large", errors.New("body is over the limit: lower max_alerts or raise receiver.max_body")
		}
		return source, "read", errors.New("body could not be read")
	}
	m, err := Decode(body, source, set.IgnoreLabels)
	if err != nil {
		code = "json"
		if rejected, ok := errors.AsType[*RejectError](err); ok {
			code = rejected.Code
		}
		if keepErr := h.o.Rejected.Keep(code, body); keepErr != nil {
			h.o.Logger.Warn("Rejected message could not be kept", "err", keepErr)
		}
		return source, code, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.o.Timeout)
	defer cancel()
	outcomes, repeat, err := h.commit(ctx, set, body, m)
	if err != nil {
		h.o.Logger.Error("Webhook message could not be stored", "sender", source, "err", err)
		return source, "store", errors.New("the store is not available: try again")
	}
	h.o.Metrics.committed(source, m, outcomes)
	h.o.Committed()
	if repeat {
		return source, "repeat", nil
	}
	return source, "ok", nil
}

// commit writes the message and everything that follows from it at once. An exact repeat runs the same transitions: the
// inbox saves work, correctness never depends on it.
func (h *Handler) commit(ctx context.Context, set *policy.Set, body []byte, m Message) (outcomes map[incident.Outcome]int, repeat bool, err error) {
	err = h.o.Store.Update(ctx, func(tx Tx) error {
		outcomes = map[incident.Outcome]int{}
		if repeat, err = tx.InsertMessage(m.Group.Source, m.Hash, body); err != nil {
			return err
		}
		for _, a := range m.Alerts {
			outcome, err := apply(tx, set, m, a)
			if err != nil {
				return err
			}
			outcomes[outcome]++
		}
		return nil
	})
	return outcomes, repeat, err
}

func apply(tx Tx, set *policy.Set, m Message, a receiver.Alert) (incident.Outcome, error) {
	if policy.IsWatchdog(a.Labels) && a.Firing {
		if err := tx.SawWatchdog(a.Source); err != nil {
			return "", err
		}
	}
	if a.Firing {
		return incident.Fire(tx, set, m.Group, a)
	}
	return incident.Resolve(tx, a)
}
