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

// Hash identifies what was shown: the terms and what was found; not the wording nor the time. It is empty when they cannot
// be written as JSON.
func (p Plan) Hash() string {
	if len(p.Data) == 0 {
		p.Data = nil // as it is once it was stored
	}
	return digest(struct {
		Terms any
		Data  json.RawMessage
	}{p.terms(), p.Data})
}

// SameTerms reports whether two plans agree in action, resource, parameters and limits; what they found may differ.
func (p Plan) SameTerms(other Plan) bool {
	terms := digest(p.terms())
	return terms != "" && terms == digest(other.terms())
}

func (p Plan) terms() any {
	// Storage does not tell nothing from empty.
	if len(p.Params) == 0 {
		p.Params = nil
	}
	if len(p.Limits) == 0 {
		p.Limits = nil
	}
	return struct {
		Action, Resource string
		Params           map[string]any
		Limits           map[string]string
	}{p.Action, p.Resource, p.Params, p.Limits}
}

// digest is the SHA-256 of a value's JSON, in which the keys of maps are in order.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
