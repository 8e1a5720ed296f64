package receiver

import (
	"fmt"
	"slices"
	"time"
)

// AttemptState is where one run of one action stands.
type AttemptState string

// The states of an attempt. Those without a way out are final.
const (
	AttemptWaiting  AttemptState = "waiting"  // a decision is due
	AttemptBlocked  AttemptState = "blocked"  // a guard refused for now; looked at again
	AttemptProposed AttemptState = "proposed" // the plan waits for a person's approval
	AttemptStarted  AttemptState = "started"  // intent committed: the effect may have happened
	AttemptApplied  AttemptState = "applied"  // the effect happened; being verified
	AttemptVerified AttemptState = "verified" // repaired, proven
	AttemptFailed   AttemptState = "failed"   // not repaired
	AttemptUnknown  AttemptState = "unknown"  // nobody can tell; never leads to the next step
	AttemptUndoing  AttemptState = "undoing"  // verification failed; intent to roll back committed
	AttemptRefused  AttemptState = "refused"  // a guard refused for good
	AttemptShadowed AttemptState = "shadowed" // what would have been done is recorded
	AttemptDropped  AttemptState = "dropped"  // the alert resolved, or a person took over, before anything was done
)

// attemptMoves lists every allowed change of state.
var attemptMoves = map[AttemptState][]AttemptState{
	AttemptWaiting:  {AttemptBlocked, AttemptProposed, AttemptStarted, AttemptRefused, AttemptShadowed, AttemptDropped, AttemptUnknown},
	AttemptBlocked:  {AttemptBlocked, AttemptProposed, AttemptStarted, AttemptRefused, AttemptShadowed, AttemptDropped, AttemptUnknown},
	AttemptProposed: {AttemptWaiting, AttemptStarted, AttemptRefused, AttemptDropped, AttemptUnknown},
	AttemptStarted:  {AttemptApplied, AttemptFailed, AttemptUnknown},
	AttemptApplied:  {AttemptApplied, AttemptVerified, AttemptFailed, AttemptUndoing, AttemptUnknown},
	AttemptUndoing:  {AttemptFailed, AttemptUnknown},
}

// CheckMove refuses a change of state that the table does not list.
func CheckMove(from, to AttemptState) error {
	if !slices.Contains(attemptMoves[from], to) {
		return fmt.Errorf("attempt may not go from %s to %s", from, to)
	}
	return nil
}

// Final reports whether nothing more happens to an attempt in this state.
func (s AttemptState) Final() bool { return len(attemptMoves[s]) == 0 }

// Acting reports whether an effect may be under way or unproven: the resource stays locked.
func (s AttemptState) Acting() bool {
	return s == AttemptStarted || s == AttemptApplied || s == AttemptUndoing
}

// Attempt is one run of one action for one episode, or for a person.
type Attempt struct {
	ID       int64          `json:"id"`
	Incident int64          `json:"incident,omitempty"`
	Episode  int64          `json:"episode,omitempty"` // 0 when a person asked for it
	Policy   string         `json:"policy"`
	Step     int            `json:"step"` // index into the policy's repair list
	Priority Priority       `json:"priority"`
	Action   string         `json:"action"`
	Resource string         `json:"resource,omitempty"`
	Params   map[string]any `json:"params,omitempty"`
	Mode     Mode           `json:"mode"` // the effective mode when it was decided
	State    AttemptState   `json:"state"`
	Guard    string         `json:"guard,omitempty"`  // the guard that refused
	Reason   string         `json:"reason,omitempty"` // a sentence for a person
	Plan     *Plan          `json:"plan,omitempty"`
	Result   string         `json:"result,omitempty"`
	By       string         `json:"by,omitempty"`       // the person who asked for it
	Approved string         `json:"approved,omitempty"` // the person who approved the plan
	Approval string         `json:"-"`                  // hash of the plan that was approved
	Created  time.Time      `json:"created"`
	Started  time.Time      `json:"started,omitzero"`
	Applied  time.Time      `json:"applied,omitzero"`
	Ended    time.Time      `json:"ended,omitzero"`
	Cleared  time.Time      `json:"cleared,omitzero"` // since when the alert has been seen cleared
	Due      time.Time      `json:"due,omitzero"`
	Lease    Lease          `json:"-"`
}

// AttemptHistory is what guards need to know of earlier attempts.
type AttemptHistory struct {
	Holder    int64     // the attempt that is acting on the resource, or 0
	LastEnd   time.Time // when the policy last acted on the resource: its end, or its start while it acts
	InEpisode int       // how often this step has been started for the episode
	InDay     int       // how often the policy acted on the resource within 24 h
}
