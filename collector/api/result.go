package api

import (
	"time"
)

// State is what a probe found its target to be in.
type State int

// The states of a target. Only Down means that it failed: one that limits or degrades has answered.
const (
	Down     State = iota // no answer, or a wrong one
	Up                    // an expected answer
	Degraded              // 206: works in part
	Limited               // 429: answers, and tells to ask less often
)

var stateNames = [...]string{"down", "up", "degraded", "limited"}

// String returns the state's value of the label state.
func (s State) String() string { return stateNames[s] }

// Phases are the times that the parts of a probe took, summed over redirects.
type Phases struct {
	Resolve, Connect, TLS, Processing, Transfer time.Duration
}

// Result is what one probe found.
type Result struct {
	Name          string // of the probe, from its options
	State         State
	Err           error // why the target is down; free of queries and credentials
	Start         time.Time
	Duration      time.Duration
	Phases        Phases
	Status        int     // of the last answer; 0 without one
	HTTPVersion   float64 // 1.1, 2
	Redirects     int     // followed
	ContentLength int64   // as declared; -1 when not declared
	BodyBytes     int64   // read, at most the limit
	BodyMismatch  bool    // the body does not match what is expected
	IPVersion     int     // 4, 6, or 0 without a connection
	TLS           *TLSInfo
	RetryAfter    time.Duration // asked for by a 429

	cut bool // the caller's deadline ended it early
}

// TLSInfo describes the connection of the last answer.
type TLSInfo struct {
	Version        string    // "TLS 1.3"
	EarliestExpiry time.Time // of the certificates the server sent
}

// OK says that the target answered as it should, in full or in part, or that it cannot be told because it limits requests.
func (r Result) OK() bool { return r.State != Down }
