// Package receiver holds the words of the repair side: alerts, episodes, incidents, attempts and pages.
//
// It does no I/O and imports nothing of this module; everything below receiver/ is built on it.
package receiver

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is wrapped by errors about rows that do not exist.
var ErrNotFound = errors.New("not found")

// Clock tells the time to everything that waits; it never runs backwards.
type Clock interface {
	Now() time.Time
}

// Priority orders incidents by urgency; P0 is the most urgent.
type Priority int

// The three priorities and their response targets: 5 minutes, 30 minutes, 2 hours.
const (
	P0 Priority = iota
	P1
	P2
)

// String returns P0, P1 or P2.
func (p Priority) String() string { return fmt.Sprintf("P%d", int(p)) }

// ParsePriority reads P0, P1 or P2.
func ParsePriority(s string) (Priority, error) {
	for _, p := range []Priority{P0, P1, P2} {
		if s == p.String() {
			return p, nil
		}
	}
	return P2, fmt.Errorf("unknown priority %q: want P0, P1 or P2", s)
}

// ResponseTarget is the longest a page of this priority may wait for an answer before the next level is paged.
func (p Priority) ResponseTarget() time.Duration {
	switch p {
	case P0:
		return 5 * time.Minute
	case P1:
		return 30 * time.Minute
	default:
		return 2 * time.Hour
	}
}

// MarshalText implements encoding.TextMarshaler.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Priority) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePriority(string(b))
	return err
}

// Mode says how far a repair may go on its own. Of two modes the smaller one is the stricter.
type Mode int

// The modes, strictest first.
const (
	ModeOff     Mode = iota // no repair is considered
	ModeShadow              // guards and plan only; what would be done is recorded
	ModeApprove             // a person must approve the plan
	ModeAuto                // acts on its own
)

var modeNames = [...]string{"off", "shadow", "approve", "auto"}

// String returns the mode's name in the configuration.
func (m Mode) String() string {
	if m < ModeOff || m > ModeAuto {
		return fmt.Sprintf("mode(%d)", int(m))
	}
	return modeNames[m]
}

// ParseMode reads a mode's name.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames {
		if s == name {
			return Mode(i), nil
		}
	}
	return ModeOff, fmt.Errorf("unknown mode %q: want off, shadow, approve or auto", s)
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMode(string(b))
	return err
}

// Stricter returns the mode that allows less.
func Stricter(a, b Mode) Mode { return min(a, b) }
