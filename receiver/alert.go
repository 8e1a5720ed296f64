package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Alert is one alert of a message from a source.
type Alert struct {
	Source      string
	Key         string // see AlertKey
	Firing      bool
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	EndsAt      time.Time // zero while firing
	URL         string    // link to the expression
}

// Name returns the label alertname.
func (a Alert) Name() string { return a.Labels["alertname"] }

// AlertKey identifies an alert of a source: the SHA-256 of its canonical labels without the ignored ones.
func AlertKey(labels map[string]string, ignore []string) string {
	return labelsKey(labels, ignore)
}

// Group identifies what is paged together: the receiver and the group labels of a source's messages. The payload's
// groupKey is not part of it, as it changes when somebody edits a route.
type Group struct {
	Source   string
	Receiver string
	Labels   map[string]string
}

// Key is the group's identity in the store.
func (g Group) Key() string {
	return labelsKey(g.Labels, nil) + "/" + strconv.Quote(g.Receiver)
}

func labelsKey(labels map[string]string, ignore []string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if slices.Contains(ignore, name) {
			continue
		}
		// Quoting keeps {a="1,b=2"} and {a="1", b="2"} apart.
		b.WriteString(strconv.Quote(name))
		b.WriteByte('=')
		b.WriteString(strconv.Quote(labels[name]))
		b.WriteByte(',')
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}
