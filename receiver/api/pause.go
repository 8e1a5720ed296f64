package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
)

// Paused is what stops repairs now.
type Paused struct {
	Pauses    []receiver.Pause `json:"pauses"`
	StopFile  string           `json:"stop_file,omitempty"`  // the file that stops every repair
	StopError string           `json:"stop_error,omitempty"` // why it could not be looked for, which stops them too
}

// PauseRequest is the body of a pause.
type PauseRequest struct {
	For    model.Duration `json:"for,omitempty"`    // until resumed when it is absent
	Target string         `json:"target,omitempty"` // a resource such as "postgres/main"; everything when it is absent
	Reason string         `json:"reason,omitempty"`
	By     string         `json:"by,omitempty"`
}

// ResumeRequest is the body of a resume.
type ResumeRequest struct {
	Target string `json:"target,omitempty"` // every pause when it is absent
	By     string `json:"by,omitempty"`
}

const maxPause = 30 * 24 * time.Hour

func (h *Handler) paused(tx Tx) (p Paused, err error) {
	if p.Pauses, err = tx.Pauses(); p.Pauses == nil {
		p.Pauses = []receiver.Pause{}
	}
	var stop error
	if p.StopFile, stop = h.o.StopFile(); stop != nil {
		p.StopError = stop.Error()
	}
	return p, err
}

func (h *Handler) showPause(c call) (any, error) {
	var p Paused
	err := h.o.Store.View(c.Context(), func(tx Tx) (err error) {
		p, err = h.paused(tx)
		return err
	})
	return p, err
}

func (h *Handler) pause(c call) (any, error) {
	var req PauseRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	person, err := c.named(req.By)
	switch {
	case err != nil:
		return nil, err
	case req.For < 0 || time.Duration(req.For) > maxPause:
		return nil, bad("a pause lasts at most 30d; leave `for` away to pause until somebody resumes")
	case len(req.Reason) > maxReason:
		return nil, bad("reason is longer than %d bytes", maxReason)
	}
	if err := h.checkTarget(req.Target); err != nil {
		return nil, err
	}
	if req.Reason == "" {
		req.Reason = "paused by hand"
	}
	text := ""
	err = h.o.Store.Update(c.Context(), func(tx Tx) error {
		p := receiver.Pause{Resource: req.Target, Reason: req.Reason, By: person, At: tx.Now()}
		until := "until somebody resumes them"
		if req.For > 0 {
			p.Until = tx.Now().Add(time.Duration(req.For))
			until = "until " + p.Until.Format(time.RFC3339)
		}
		text = fmt.Sprintf("repairs of %s are paused %s: %s", orEverything(req.Target), until, req.Reason)
		if err := tx.Pause(p); err != nil {
			return err
		}
		return tell(tx, "pause", person, text)
	})
	if err != nil {
		return nil, err
	}
	h.o.Logger.Warn("Repairs paused", "target", req.Target, "person", person, "for", time.Duration(req.For), "reason", req.Reason)
	return outcome(true, "%s; what has begun goes on to its end", text), nil
}

func (h *Handler) resume(c call) (any, error) {
	var req ResumeRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	person, err := c.named(req.By)
	if err != nil {
		return nil, err
	}
	var (
		done bool
		left Paused
		text string
	)
	err = h.o.Store.Update(c.Context(), func(tx Tx) error {
		n, err := tx.Resume(req.Target)
		if err != nil {
			return err
		}
		if left, err = h.paused(tx); err != nil {
			return err
		}
		done = n > 0
		text = fmt.Sprintf("repairs of %s were not paused", orEverything(req.Target))
		if done {
			text = fmt.Sprintf("repairs of %s are resumed", orEverything(req.Target))
			return tell(tx, "resume", person, text)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if done {
		h.o.Logger.Warn("Repairs resumed", "target", req.Target, "person", person)
		h.o.Wake()
	}
	return outcome(done, "%s%s", text, still(left)), nil
}

// still says what goes on stopping repairs.
func still(p Paused) string {
	switch {
	case p.StopError != "":
		return "; but they stay stopped, as the pause file cannot be looked for: " + p.StopError
	case p.StopFile != "":
		return "; but the file " + p.StopFile + " stops all of them: remove it"
	case len(p.Pauses) == 0:
		return ""
	}
	var names []string
	for _, pause := range p.Pauses {
		names = append(names, orEverything(pause.Resource))
	}
	return "; still paused: " + strings.Join(names, ", ")
}

func orEverything(resource string) string {
	if resource == "" {
		return "everything"
	}
	return resource
}

// tell writes into the timeline of every open incident what concerns all of them.
func tell(tx Tx, kind, person, text string) error {
	open, err := tx.Incidents(true, 1000)
	if err != nil {
		return err
	}
	for _, i := range open {
		if err := tx.AddEvent(receiver.Event{Incident: i.ID, Kind: kind, Actor: person, Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// checkTarget refuses a target that no repair acts on: a misspelt pause would stop nothing.
func (h *Handler) checkTarget(target string) error {
	if target == "" {
		return nil
	}
	var known []string
	for _, r := range h.repairs(h.o.Policies()) {
		if r.Resource == "" {
			// Its resources depend on labels: whether the target is one of them cannot be told.
			return nil
		}
		known = append(known, r.Resource)
	}
	if slices.Contains(known, target) {
		return nil
	}
	if len(known) == 0 {
		return unfit("target", "no repair is configured: there is nothing to pause")
	}
	slices.Sort(known)
	return unfit("target", "no repair acts on %q: want one of %s", target, strings.Join(slices.Compact(known), ", "))
}
