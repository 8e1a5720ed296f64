package postgres

// locksView counts heavyweight locks, held or awaited. All modes are there for every database, with 0 if there are none.
var locksView = view{
	part: partLocks, name: "locks",
	labels: []string{"d.datname", "m.mode"},
	values: []value{{
		family: gauge("pg_locks_count", "Locks held or awaited in the database, by lower-case mode.", "datname", "mode"),
		expr:   "coalesce(l.n, 0)",
	}},
	from: `FROM pg_database d
	CROSS JOIN unnest(ARRAY['accesssharelock', 'rowsharelock', 'rowexclusivelock', 'shareupdateexclusivelock', 'sharelock',
		'sharerowexclusivelock', 'exclusivelock', 'accessexclusivelock', 'sireadlock']) AS m(mode)
	LEFT JOIN (
		SELECT database, lower(mode) AS mode, count(*) AS n FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2
	) l ON l.database = d.oid AND l.mode = m.mode`,
}
