package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Plan is stored data that says exactly what an attempt would do; it is shown to people and applied later.
type Plan struct {
	Action   string            `json:"action"`
	Resource string            `json:"resource"`       // what the effect touches, e.g. "postgres/main"; effects on one resource never overlap
	Params   map[string]any    `json:"params"`         // the resolved parameters
	Summary  string            `json:"summary"`        // one sentence for a person
	Steps    []string          `json:"steps"`          // what exactly would be done, bounded in number and length
	Data     json.RawMessage   `json:"data,omitempty"` // what Apply needs, owned by the action
	Limits   map[string]string `json:"limits,omitempty"`
	Made     time.Time         `json:"made"`
}

// Hash identifies what a person agrees to: action, resource, parameters and limits. Live findings (data, steps) may change
// meanwhile; what is applied after an approval is the plan that was shown, or a subset of it.
func (p Plan) Hash() string {
	b, err := json.Marshal(struct {
		Action, Resource string
		Params           map[string]any
		Limits           map[string]string
	}{p.Action, p.Resource, p.Params, p.Limits})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
