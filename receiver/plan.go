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

// Hash identifies what was shown: action, resource, parameters, limits and data; not the wording nor the time. It is empty
// when they cannot be written as JSON.
func (p Plan) Hash() string {
	// Storage does not tell nothing from empty.
	if len(p.Params) == 0 {
		p.Params = nil
	}
	if len(p.Limits) == 0 {
		p.Limits = nil
	}
	if len(p.Data) == 0 {
		p.Data = nil
	}
	b, err := json.Marshal(struct {
		Action, Resource string
		Params           map[string]any
		Limits           map[string]string
		Data             json.RawMessage
	}{p.Action, p.Resource, p.Params, p.Limits, p.Data})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ApprovedBy reports whether an approval names exactly this plan. A plan that has no hash is never approved.
func (p Plan) ApprovedBy(approval string) bool {
	return approval != "" && approval == p.Hash()
}
