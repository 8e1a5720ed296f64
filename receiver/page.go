package receiver

import "time"

// PageState is where one page stands.
type PageState string

// The states of a page. Sending is committed before the provider is called.
const (
	PagePending   PageState = "pending"
	PageSending   PageState = "sending"
	PageSent      PageState = "sent"
	PageFailed    PageState = "failed"    // given up
	PageAmbiguous PageState = "ambiguous" // may have reached the contact; not repeated again
	PageDropped   PageState = "dropped"   // no longer needed: acknowledged or resolved before it went out
)

// Page is one notification to one channel of one contact about an incident.
type Page struct {
	ID       int64      `json:"id"`
	Incident int64      `json:"incident"`
	Kind     NoticeKind `json:"kind"`
	Level    int        `json:"level"`
	Role     string     `json:"role"`
	Channel  string     `json:"channel"`
	Priority Priority   `json:"priority"`
	Why      string     `json:"why,omitempty"` // what made this page necessary, for its text
	State    PageState  `json:"state"`
	Repeated bool       `json:"repeated,omitempty"` // marked as perhaps received before
	Sends    int        `json:"sends"`
	Error    string     `json:"error,omitempty"`
	Created  time.Time  `json:"created"`
	Sent     time.Time  `json:"sent,omitzero"`
	Due      time.Time  `json:"due,omitzero"`
	Lease    Lease      `json:"-"`
}
