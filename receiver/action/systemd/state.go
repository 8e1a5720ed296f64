package systemd

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// state is what is read of a unit, see org.freedesktop.systemd1(5).
type state struct {
	unit        string
	load        string        // LoadState
	active      string        // ActiveState
	sub         string        // SubState
	kind        string        // Type, of services
	result      string        // Result
	pid         uint32        // MainPID, of services
	restarts    uint32        // NRestarts: by Restart= since the last start by hand
	invocation  string        // InvocationID in hexadecimal; new with each start
	activeSince time.Duration // ActiveEnterTimestampMonotonic
	job         bool          // a job is queued or running
	refuseStart bool
	refuseStop  bool
}

func look(ctx context.Context, conn Conn, unit string) (state, error) {
	if err := ctx.Err(); err != nil {
		return state{}, err
	}
	props, err := conn.Properties(ctx, unit)
	if err != nil {
		return state{}, fmt.Errorf("read the state of %s: %w", unit, err)
	}
	s := state{
		unit: unit, load: get[string](props, "LoadState"), active: get[string](props, "ActiveState"), sub: get[string](props, "SubState"),
		kind: get[string](props, "Type"), result: get[string](props, "Result"), pid: get[uint32](props, "MainPID"),
		restarts: get[uint32](props, "NRestarts"), invocation: hex.EncodeToString(get[[]byte](props, "InvocationID")),
		activeSince: time.Duration(get[uint64](props, "ActiveEnterTimestampMonotonic")) * time.Microsecond,
		refuseStart: get[bool](props, "RefuseManualStart"), refuseStop: get[bool](props, "RefuseManualStop"),
	}
	// Job is a pair of number and object path; number 0 means none.
	if job := get[[]any](props, "Job"); len(job) > 0 {
		id, ok := job[0].(uint32)
		s.job = ok && id != 0
	}
	if s.load == "" || s.active == "" {
		return state{}, fmt.Errorf("read the state of %s: systemd does not tell LoadState and ActiveState", unit)
	}
	return s, nil
}

func get[T any](props map[string]any, name string) T {
	v, _ := props[name].(T)
	return v
}

func (s state) stopped() bool { return s.active == "inactive" || s.active == "failed" }

// oneshotDone tells whether this is a service that has done its work and is meant to be inactive then.
func (s state) oneshotDone() bool {
	return s.kind == "oneshot" && s.active == "inactive" && s.result == "success" && s.invocation != ""
}

// String describes the state for a person.
func (s state) String() string {
	text := fmt.Sprintf("%s (%s)", s.active, s.sub)
	if s.pid != 0 {
		text += fmt.Sprintf(", main process %d", s.pid)
	}
	if s.restarts > 0 {
		text += fmt.Sprintf(", restarted %d times by systemd", s.restarts)
	}
	if s.active == "failed" && s.result != "" {
		text += ", result " + s.result
	}
	return text
}
