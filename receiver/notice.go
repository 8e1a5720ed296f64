package receiver

import "time"

// NoticeKind says what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeFiring   NoticeKind = "firing"
	NoticeRepaired NoticeKind = "repaired" // a repair was applied and verified
	NoticeResolved NoticeKind = "resolved"
	NoticeTest     NoticeKind = "test" // a person tries whether they can be reached
)

// Closes reports whether the notice says that the trouble is over.
func (k NoticeKind) Closes() bool { return k == NoticeRepaired || k == NoticeResolved }

// Notice is what one page tells a person. Its texts may hold anything that an alert can hold: whoever renders it bounds
// them and makes them harmless.
type Notice struct {
	ID       string // of this page; a repeat of the same page keeps it, so that a receiver can tell
	Incident int64  // 0 when the notice is about none
	Kind     NoticeKind
	Priority Priority
	Level    int // of the escalation ladder, from 1; 0 outside of it
	Title    string
	Summary  string
	Facts    []Fact            // in the order shown
	Links    []Link            // http and https; the first one leads to the incident
	Labels   map[string]string // what the incident's alerts have in common
	Timeline []string          // the latest entries, oldest first
	Since    time.Time         // when the trouble began; the same in all notices of an incident
	Now      time.Time         // when the notice was written
	Repeated bool              // this page may have reached the person already
}

// Fact is one named value of a notice.
type Fact struct{ Name, Value string }

// Link is one place to look at.
type Link struct{ Text, URL string }
