package host

import "github.com/chronoops/chronoops/collector"

// Parts returns what the host's collectors can select, for flags and the metric reference.
func Parts() []collector.Part { return append((*Kernel)(nil).Parts(), (*Filesystem)(nil).Parts()...) }
