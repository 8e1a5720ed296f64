// Package collector turns what collectors read into what Prometheus scrapes.
//
// A Collector reads one kind of target and records samples through a Writer. A Unit runs it in isolation, a Set
// scrapes several units at once within a deadline and returns a Snapshot, and a Snapshot is encoded as text or as
// protobuf. The HTTP handlers for /metrics, /probe and /sd are here too.
package collector

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoData is what a part returns, wrapped or not, if its target has nothing of the kind that it reads, such as a host
// without RAID. The part's success is 0, as in the exporters that chronoops stands in for, but nobody needs to know. An
// error that joins it with a failure counts as no data, too: return the failure alone.
var ErrNoData = errors.New("no data")

// Type is the kind of a metric family.
type Type int

// The types of families. Histogram and Summary are for declaring families that arrive through Writer.Gather only.
const (
	Untyped Type = iota
	Counter
	Gauge
	Histogram
	Summary
)

// String returns the type's name in the text exposition format.
func (t Type) String() string {
	switch t {
	case Untyped:
		return "untyped"
	case Counter:
		return "counter"
	case Gauge:
		return "gauge"
	case Histogram:
		return "histogram"
	case Summary:
		return "summary"
	default:
		return fmt.Sprintf("type(%d)", int(t))
	}
}

// Family declares a metric family. It is data: declared once, never changed, and known by its address.
type Family struct {
	Name   string
	Help   string
	Type   Type
	Labels []string // names, in the order in which Add takes their values

	// Legacy is a name that upstream has dropped and popular dashboards still chart. A Set with LegacyNames emits every
	// sample under it as well.
	Legacy string
}

// Part is what can be selected and what is reported on: its samples, duration and success.
type Part struct {
	Name     string    // unique within a Set, e.g. "stat_activity"; the collector label of the scrape metrics
	Default  bool      // on unless switched off
	Families []*Family // what it can emit; feeds the metric reference
}

// Collector reads one kind of target. It is never run twice at the same time.
type Collector interface {
	// Parts returns the same parts on every call, without connecting to anything.
	Parts() []Part

	// Collect records samples into w until ctx ends. An error is for what belongs to no part; it fails every part that
	// has not reported by itself. A target that is down is a sample (pg_up 0) and not an error.
	Collect(ctx context.Context, w *Writer) error
}

// Runner is a component with a life of its own (a tailer, a scheduler). Run returns once ctx is done.
type Runner interface {
	Run(ctx context.Context) error
}
