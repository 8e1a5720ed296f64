package receiver

import (
	"errors"
	"fmt"
	"time"
)

// SendOutcome says what is known about a page after sending it.
type SendOutcome int

// The outcomes. The zero value claims the least.
const (
	SendUnknown   SendOutcome = iota // may have been delivered: the connection or the time was lost after it was written
	SendDelivered                    // accepted by the provider
	SendRetry                        // not delivered; the same page may get through later
	SendRefused                      // not delivered, and will not be as things are: bad credential, address or configuration
	SendUnwanted                     // the channel is set up not to get this kind; nothing was sent and nothing is wrong
)

var sendOutcomeNames = [...]string{"unknown", "delivered", "retry", "refused", "unwanted"}

// String returns the outcome's name for logs and metrics.
func (o SendOutcome) String() string {
	if o < 0 || int(o) >= len(sendOutcomeNames) {
		return fmt.Sprintf("outcome(%d)", int(o))
	}
	return sendOutcomeNames[o]
}

// SendError is why a page did not certainly get through.
type SendError struct {
	Outcome    SendOutcome
	RetryAfter time.Duration // the provider's wish; 0 when it said nothing
	Reason     string        // one word from a small set, for a metric label: connect, timeout, rate_limited, auth, …
	Err        error         // bounded and free of secrets
}

// Error implements error.
func (e *SendError) Error() string {
	return e.Outcome.String() + " (" + e.Reason + "): " + e.Err.Error()
}

// Unwrap implements the interface of package errors.
func (e *SendError) Unwrap() error { return e.Err }

// OutcomeOf reads the outcome from the error of a send. An error that does not say is SendUnknown.
func OutcomeOf(err error) SendOutcome {
	if err == nil {
		return SendDelivered
	}
	if e, ok := errors.AsType[*SendError](err); ok {
		return e.Outcome
	}
	return SendUnknown
}
