package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/chronoops/chronoops/receiver"
)

// Answer is the envelope of every JSON answer.
type Answer struct {
	Status string          `json:"status"` // success or error
	Data   json.RawMessage `json:"data,omitempty"`
	Code   string          `json:"code,omitempty"`  // of an error, one word for programs
	Error  string          `json:"error,omitempty"` // a sentence for a person
}

// Error is a refusal that a person may read.
type Error struct {
	Status    int    // of HTTP
	Code      string // one word for programs
	Text      string // a sentence that says what to do
	challenge string // for WWW-Authenticate
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

const viewChallenge = `Basic realm="chronoops", charset="UTF-8"`

func unauthorized(challenge, text string) error {
	return &Error{Status: http.StatusUnauthorized, Code: "unauthorized", Text: text, challenge: challenge}
}

func forbidden(text string) error {
	return &Error{Status: http.StatusForbidden, Code: "forbidden", Text: text}
}

func bad(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: "bad_request", Text: fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Code: "not_found", Text: fmt.Sprintf(format, args...)}
}

func conflict(code, format string, args ...any) error {
	return &Error{Status: http.StatusConflict, Code: code, Text: fmt.Sprintf(format, args...)}
}

func unfit(code, format string, args ...any) error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: code, Text: fmt.Sprintf(format, args...)}
}

// asError finds what may be shown of an error. What is not meant for a person is logged by the caller, not shown.
func asError(err error) (shown *Error, internal bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e, false
	}
	if errors.Is(err, receiver.ErrNotFound) {
		return &Error{Status: http.StatusNotFound, Code: "not_found", Text: err.Error()}, false
	}
	return &Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Text: "the store is not available: try again, and see the log"}, true
}

func writeJSON(w http.ResponseWriter, status int, a Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a)
}

func writeError(w http.ResponseWriter, e *Error) {
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	writeJSON(w, e.Status, Answer{Status: "error", Code: e.Code, Error: e.Text})
}

// maxBody is the largest request body, in bytes.
const maxBody = 64 << 10

// decode reads one JSON object; an empty body is an empty object. Unknown fields are refused: a misspelt limit must not count
// as none.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			return bad("the body has more than one JSON value")
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Text: fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	}
	return bad("the body is not the JSON object that is wanted: %v", err)
}
