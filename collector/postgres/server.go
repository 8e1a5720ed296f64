package postgres

// postmasterView tells since when the server runs.
var postmasterView = view{
	part: partPostmaster, name: "postmaster",
	values: []value{{
		family: gauge("pg_postmaster_start_time_seconds", "Unix time at which the server was started."),
		expr:   "extract(epoch FROM pg_postmaster_start_time())",
	}},
}

// rolesView reads pg_roles.
var rolesView = view{
	part: partRoles, name: "roles",
	labels: []string{"rolname"},
	values: []value{{
		family: gauge("pg_roles_connection_limit", "Most sessions the role may have; -1 for no limit of its own.", "rolname"),
		expr:   "rolconnlimit",
	}},
	from: "FROM pg_roles",
}

// connectionsView tells how close ordinary users are to being refused.
var connectionsView = view{
	part: partConnections, name: "connections",
	monitor: true,
	values: []value{
		{
			family: gauge("chronoops_postgres_connections_used",
				"Sessions of clients, our own and those of superusers counted. Replication and the server's own processes take no such slot."),
			expr: "n.used",
		},
		{
			family: gauge("chronoops_postgres_connections_limit",
				"Sessions that ordinary users can have: max_connections less superuser_reserved_connections and, since PostgreSQL 16, reserved_connections."),
			expr: "n.most",
		},
		{
			family: gauge("chronoops_postgres_connections_left", "Sessions that ordinary users can still open; never below 0."),
			expr:   "greatest(n.most - n.used, 0)",
		},
	},
	from: `FROM (SELECT count(*) AS used,
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			- coalesce(current_setting('reserved_connections', true)::int, 0) AS most
		FROM pg_stat_get_activity(NULL) WHERE backend_type = 'client backend') n`,
}

// fileSettingsView reads what the configuration files say now; superusers may, and who is granted it.
var fileSettingsView = view{
	part: partFileSettings, name: "file_settings",
	slow: true,
	values: []value{
		{
			family: gauge("chronoops_postgres_file_settings_errors", "Lines of the configuration files that the server cannot use."),
			expr:   "count(*) FILTER (WHERE error IS NOT NULL AND error <> 'setting could not be applied')",
		},
		{
			family: gauge("chronoops_postgres_file_settings_unapplied",
				"Settings in the configuration files that are not in force: for want of a restart, or because of their value."),
			expr: "count(*) FILTER (WHERE NOT applied AND name IS NOT NULL AND f.seqno = f.last)",
		},
	},
	from: "FROM (SELECT *, max(seqno) OVER (PARTITION BY name) AS last FROM pg_file_settings) f",
}

// buffercacheView reads the summary of shared buffers, which takes no locks.
var buffercacheView = view{
	part: partBuffercache, name: "buffercache_summary", since: 16,
	extension: "pg_buffercache",
	values: []value{
		{family: gauge("pg_buffercache_summary_buffers_used", "Shared buffers in use."), expr: "buffers_used"},
		{family: gauge("pg_buffercache_summary_buffers_unused", "Shared buffers not in use."), expr: "buffers_unused"},
		{family: gauge("pg_buffercache_summary_buffers_dirty", "Shared buffers that have to be written."), expr: "buffers_dirty"},
		{family: gauge("pg_buffercache_summary_buffers_pinned", "Shared buffers that somebody works with now."), expr: "buffers_pinned"},
		{family: gauge("pg_buffercache_summary_usagecount_avg", "Average usage count of the shared buffers in use."), expr: "coalesce(usagecount_avg, 0)"},
	},
	from: "FROM {schema}.pg_buffercache_summary()",
}
