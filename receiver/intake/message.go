// Package intake takes Alertmanager's webhook: it authenticates, limits, decodes and commits, and only then answers 2xx.
// It never acts on an alert.
package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/template"

	"github.com/chronoops/chronoops/receiver"
)

// Message is one decoded webhook body.
type Message struct {
	Group     receiver.Group
	Alerts    []receiver.Alert
	Truncated uint64 // alerts that Alertmanager left out; they say nothing
	Hash      string // of what it says; equal for retries and for the peers of a cluster
}

// payload is Alertmanager's body. The data is embedded by value: upstream's pointer stays nil for {"version":"4"}.
type payload struct {
	template.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
}

// RejectError says why a body cannot be taken.
type RejectError struct {
	Code string // for the metric and the answer: json, version, alert
	Err  error
}

// maxReason is how much of a reason is told, in bytes: the decoder's repeat what the body holds.
const maxReason = 500

// Error implements error.
func (e *RejectError) Error() string {
	text := e.Err.Error()
	if len(text) > maxReason {
		return strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// Unwrap returns the cause.
func (e *RejectError) Unwrap() error { return e.Err }

func reject(code, format string, args ...any) error {
	return &RejectError{Code: code, Err: fmt.Errorf(format, args...)}
}

// Decode reads a body of version 4. Unknown fields are accepted: the format grows.
func Decode(body []byte, source string, ignoreLabels []string) (Message, error) {
	var p payload
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&p); err != nil {
		return Message{}, reject("json", "body is not the JSON of an Alertmanager webhook: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Message{}, reject("json", "body has more than one JSON value")
	}
	if p.Version != "4" {
		return Message{}, reject("version", `body has version %q, want "4": send Alertmanager's standard webhook payload`, p.Version)
	}
	m := Message{
		Group:     receiver.Group{Source: source, Receiver: unquote(p.Receiver), Labels: p.GroupLabels},
		Truncated: p.TruncatedAlerts,
	}
	for n, a := range p.Alerts {
		if len(a.Labels) == 0 {
			return Message{}, reject("alert", "alert %d has no labels", n)
		}
		if a.Status != "firing" && a.Status != "resolved" {
			return Message{}, reject("alert", "alert %d has status %q, want firing or resolved", n, a.Status)
		}
		alert := receiver.Alert{
			Source: source, Key: receiver.AlertKey(a.Labels, ignoreLabels), Firing: a.Status == "firing",
			Labels: a.Labels, Annotations: a.Annotations, StartsAt: bounded(a.StartsAt), URL: a.GeneratorURL,
		}
		if !alert.Firing {
			// An end that is missing or makes no sense must not keep the alert open for ever.
			alert.EndsAt = latest(bounded(a.EndsAt), alert.StartsAt)
		}
		m.Alerts = append(m.Alerts, alert)
	}
	m.Alerts = firingWins(m.Alerts)
	hash, err := p.hash()
	if err != nil {
		return Message{}, reject("json", "hash body: %w", err)
	}
	m.Hash = hash
	return m, nil
}

// hash leaves out externalURL, which differs between the peers of a cluster.
func (p payload) hash() (string, error) {
	p.ExternalURL = ""
	b, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// firingWins leaves out resolved alerts that fire in the same message: labels that are not part of an alert's identity can
// make one alert of several, and it has ended only when all of them have.
func firingWins(alerts []receiver.Alert) []receiver.Alert {
	firing := map[string]bool{}
	for _, a := range alerts {
		if a.Firing {
			firing[a.Key] = true
		}
	}
	return slices.DeleteFunc(alerts, func(a receiver.Alert) bool { return !a.Firing && firing[a.Key] })
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// bounded keeps hostile years out of the store's milliseconds.
func bounded(t time.Time) time.Time {
	t = t.UTC() // first: an offset can carry a time into another year
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Unix(0, 0).UTC()
	}
	return t
}

var quoted = regexp.MustCompile(`\\([\\.+*?()|\[\]{}^$])`)

// unquote undoes the regexp quoting that Alertmanager applies to the receiver's name.
func unquote(name string) string { return quoted.ReplaceAllString(name, "$1") }
