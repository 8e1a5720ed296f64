// Package api is how people and programs see and steer the receiver: JSON for the command line, pages for a browser, and
// who may do what.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Store keeps the rows.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is what the API needs inside a transaction.
type Tx interface {
	incident.Tx
	incidentRows
	attemptRows
	pauseRows
}

type incidentRows interface {
	Incidents(openOnly bool, limit int) ([]receiver.Incident, error)
	FiringEpisodes() ([]receiver.Episode, error)
	Events(incident int64) ([]receiver.Event, error)
}

type attemptRows interface {
	Attempt(id int64) (receiver.Attempt, error)
	Attempts(incident int64) ([]receiver.Attempt, error)
	OpenAttempts() ([]receiver.Attempt, error)
	RecentAttempts(limit int) ([]receiver.Attempt, error)
}

type pauseRows interface {
	Pauses() ([]receiver.Pause, error)
	Pause(receiver.Pause) error
	Resume(resource string) (int64, error)
}

// Options of a Handler.
type Options struct {
	Store    Store
	Auth     *Auth
	Policies func() *policy.Set // the set in force
	Actions  *action.Registry
	StopFile func() (path string, err error) // the file that pauses repairs; "" when it is absent
	Wake     func()                          // called after a write that makes work due
	Logger   *slog.Logger
	Zone     *time.Location // of the times on pages; nil means the machine's
}

// Handler serves the API and the pages.
type Handler struct {
	o     Options
	pages *pages
	shown shownPlans
}

// New returns the handler; Register puts it into a mux.
func New(o Options) *Handler {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	return &Handler{o: o, pages: newPages(o.Zone)}
}

// requestTimeout bounds every request; planning reads a live target.
const requestTimeout = 15 * time.Second

// call is one request of a person who may make it.
type call struct {
	*http.Request
	w      http.ResponseWriter
	person Person
}

func (c call) decode(into any) error { return decode(c.w, c.Request, into) }

// id reads the number in the path.
func (c call) id() (int64, error) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, bad("%q is not a number of an incident or attempt", c.PathValue("id"))
	}
	return id, nil
}

// named is the acting person, with what the body says of who it is.
func (c call) named(by string) (string, error) {
	if by != "" {
		c.person.By = by
	}
	if err := CheckName(c.person.By); err != nil {
		return "", bad("by: %v", err)
	}
	return c.person.Name(), nil
}

type method struct {
	operator bool // otherwise a viewer may
	do       func(call) (any, error)
}

func (h *Handler) routes() map[string]map[string]method {
	look := func(do func(call) (any, error)) method { return method{do: do} }
	act := func(do func(call) (any, error)) method { return method{operator: true, do: do} }
	return map[string]map[string]method{
		"/api/v1/incidents":              {"GET": look(h.listIncidents)},
		"/api/v1/incidents/{id}":         {"GET": look(h.showIncident)},
		"/api/v1/incidents/{id}/ack":     {"POST": act(h.ack)},
		"/api/v1/incidents/{id}/resolve": {"POST": act(h.close)},
		"/api/v1/incidents/{id}/approve": {"POST": act(h.approve)},
		"/api/v1/incidents/{id}/reject":  {"POST": act(h.reject)},
		"/api/v1/actions":                {"GET": look(h.listActions)},
		"/api/v1/actions/plan":           {"POST": act(h.plan)},
		"/api/v1/actions/run":            {"POST": act(h.run)},
		"/api/v1/attempts":               {"GET": look(h.listAttempts)},
		"/api/v1/attempts/{id}":          {"GET": look(h.showAttempt)},
		"/api/v1/pause":                  {"GET": look(h.showPause), "POST": act(h.pause)},
		"/api/v1/resume":                 {"POST": act(h.resume)},
	}
}

// Register adds the API under /api/v1/ and the pages under /incidents. The webhook is the caller's.
func (h *Handler) Register(mux *http.ServeMux) {
	for pattern, methods := range h.routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, methods) })
	}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, &Error{Status: http.StatusNotFound, Code: "not_found", Text: "the API has no such path: see /api/v1/incidents, /actions, /attempts, /pause and /resume"})
	})
	h.registerPages(mux)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, methods map[string]method) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), requestTimeout, errors.New("request took too long"))
	defer cancel()
	data, err := h.answer(w, r.WithContext(ctx), methods)
	if err == nil {
		var b []byte
		if b, err = json.Marshal(data); err == nil {
			writeJSON(w, http.StatusOK, Answer{Status: "success", Data: b})
			return
		}
	}
	shown, internal := asError(err)
	if internal {
		h.o.Logger.Error("Request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	writeError(w, shown)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, methods map[string]method) (any, error) {
	name := r.Method
	if name == http.MethodHead {
		name = http.MethodGet
	}
	m, ok := methods[name]
	if !ok {
		allowed := make([]string, 0, len(methods))
		for name := range methods {
			allowed = append(allowed, name)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return nil, &Error{Status: http.StatusMethodNotAllowed, Code: "method", Text: "use " + strings.Join(allowed, " or ")}
	}
	c := call{Request: r, w: w}
	if !m.operator {
		if err := h.o.Auth.View(r); err != nil {
			return nil, h.denied(r, err)
		}
		return m.do(c)
	}
	var err error
	if c.person, err = h.o.Auth.Operate(r); err != nil {
		return nil, h.denied(r, err)
	}
	return m.do(c)
}

func (h *Handler) denied(r *http.Request, err error) error {
	h.o.Logger.Warn("Request denied", "method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr, "err", err)
	return err
}

// limit reads ?limit= between 1 and 1000.
func limit(r *http.Request, otherwise int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, bad("limit %q must be a number from 1 to 1000", text)
	}
	return n, nil
}

// Outcome says in words what a request changed. Done is false when there was nothing left to do, which is harmless.
type Outcome struct {
	Done bool   `json:"done"`
	Text string `json:"text"`
}

func outcome(done bool, format string, args ...any) Outcome {
	return Outcome{Done: done, Text: fmt.Sprintf(format, args...)}
}
