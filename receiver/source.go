package receiver

import "time"

// SourceState says when a source of alerts was last heard.
type SourceState struct {
	Name     string
	Message  time.Time
	Watchdog time.Time // zero until its Watchdog alert has been seen once
}
