package postgres

// longTransactionsView has the names of postgres_exporter.
var longTransactionsView = view{
	part: partLongTransactions, name: "long_running_transactions",
	monitor: true,
	values: []value{
		{family: gauge("pg_long_running_transactions", "Transactions that are open in sessions that are not idle, however short."), expr: "count(*)"},
		{
			family: gauge("pg_long_running_transactions_oldest_timestamp_seconds",
				"Age in seconds, not a timestamp, of the oldest of these transactions."),
			expr: "coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)",
		},
	},
	from: `FROM pg_stat_get_activity(NULL) WHERE state IS DISTINCT FROM 'idle' AND query NOT LIKE 'autovacuum:%'
		AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`,
}

// autovacuumView has the name of postgres_exporter, which tells neither schemas nor databases apart: the vacuum that
// began first stands for those of the same name.
var autovacuumView = view{
	part: partAutovacuum, name: "stat_activity_autovacuum",
	monitor: true,
	labels:  []string{"split_part(query, '.', 2)"},
	values: []value{{
		family: gauge("pg_stat_activity_autovacuum_timestamp_seconds", "Unix time at which the running autovacuum of the table began.", "relname"),
		expr:   "min(extract(epoch FROM xact_start))",
	}},
	from: "FROM pg_stat_get_activity(NULL) WHERE query LIKE 'autovacuum:%' AND backend_type = 'autovacuum worker' GROUP BY 1",
}

// horizonView tells what keeps vacuum from removing dead rows.
var horizonView = view{
	part: partHorizon, name: "horizon",
	monitor: true,
	labels:  []string{"h.holder"},
	values: []value{{
		family: gauge("chronoops_postgres_horizon_age_transactions",
			"Transactions since the oldest one whose dead rows are kept for a session, a standby's feedback, a slot or a prepared transaction; 0 if there is none.",
			"holder"),
		expr: "coalesce(max(h.age), 0)",
	}},
	from: `FROM (
		SELECT 'session' AS holder, age(backend_xmin) AS age FROM pg_stat_get_activity(NULL)
		WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'walsender'
		UNION ALL SELECT 'standby', age(backend_xmin) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'walsender'
		UNION ALL SELECT 'slot', greatest(age(xmin), age(catalog_xmin)) FROM pg_get_replication_slots()
		UNION ALL SELECT 'prepared', age(transaction) FROM pg_prepared_xact()
		UNION ALL SELECT unnest(ARRAY['session', 'standby', 'slot', 'prepared']), NULL
	) h GROUP BY 1`,
}
