package postgres

// activityView counts sessions. Every database has a row for each state, with empty labels and 0 where there is no such
// session, so that a sum over states never vanishes.
var activityView = view{
	part: partActivity, name: "stat_activity",
	monitor: true,
	folded:  1,
	labels: []string{
		"a.application_name", "a.backend_type", "d.datname", "s.state", "a.usename", "a.wait_event", "a.wait_event_type",
	},
	values: []value{
		{
			family: gauge("pg_stat_activity_count", "Sessions in this state, our own not counted.", activityLabels()...),
			expr:   "coalesce(a.n, 0)",
		},
		{
			family: gauge("pg_stat_activity_max_tx_duration",
				"Age in seconds of the oldest transaction that is open in this state.", activityLabels()...),
			expr:    "greatest(coalesce(a.age, 0), 0)",
			largest: true,
		},
	},
	from: `FROM pg_database d
	CROSS JOIN unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)',
		'fastpath function call', 'disabled']) AS s(state)
	LEFT JOIN (
		SELECT datid, state, usename, application_name, backend_type, wait_event, wait_event_type,
			count(*) AS n, max(extract(epoch FROM now() - xact_start)) AS age
		FROM pg_stat_activity
		WHERE pid <> pg_backend_pid()
		GROUP BY 1, 2, 3, 4, 5, 6, 7
	) a ON a.datid = d.oid AND a.state = s.state
	ORDER BY a.n DESC NULLS LAST`,
}

func activityLabels() []string {
	return []string{"application_name", "backend_type", "datname", "state", "usename", "wait_event", "wait_event_type"}
}
