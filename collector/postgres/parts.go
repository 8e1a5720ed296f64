package postgres

import "github.com/chronoops/chronoops/collector"

// Parts returns what every collector of this kind can select, for flags and the metric reference.
func Parts() []collector.Part { return parts(views()) }
