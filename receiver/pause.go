package receiver

import "time"

// Pause stops repairs, of one resource or of all, until a person resumes them or it ends.
type Pause struct {
	Resource string    `json:"resource,omitempty"` // "" means everything
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Until    time.Time `json:"until,omitzero"` // zero: until resumed
}

// Active reports whether the pause holds at a time.
func (p Pause) Active(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }
