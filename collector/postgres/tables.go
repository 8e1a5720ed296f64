package postgres

var (
	userTable   = naming{"pg_stat_user_tables_", []string{"datname", "schemaname", "relname"}}
	userTableIO = naming{"pg_statio_user_tables_", []string{"datname", "schemaname", "relname"}}
	tableLabels = []string{"current_database()::text", "s.schemaname::text", "s.relname::text"}
)

// tablesView reads what happened to the tables of the connected database.
var tablesView = view{
	part: partUserTables, name: "stat_user_tables",
	local: true, capped: true,
	labels: tableLabels,
	values: []value{
		{family: userTable.counter("seq_scan", "Sequential scans begun."), expr: "s.seq_scan"},
		{family: userTable.counter("seq_tup_read", "Live rows read by sequential scans."), expr: "s.seq_tup_read"},
		{family: userTable.counter("idx_scan", "Index scans begun."), expr: "coalesce(s.idx_scan, 0)"},
		{family: userTable.counter("idx_tup_fetch", "Live rows fetched by index scans."), expr: "coalesce(s.idx_tup_fetch, 0)"},
		{family: userTable.counter("n_tup_ins", "Rows inserted."), expr: "s.n_tup_ins"},
		{family: userTable.counter("n_tup_upd", "Rows updated."), expr: "s.n_tup_upd"},
		{family: userTable.counter("n_tup_del", "Rows deleted."), expr: "s.n_tup_del"},
		{family: userTable.counter("n_tup_hot_upd", "Rows updated without new index entries."), expr: "s.n_tup_hot_upd"},
		{family: userTable.gauge("n_live_tup", "Live rows, an estimate."), expr: "s.n_live_tup"},
		{family: userTable.gauge("n_dead_tup", "Dead rows, an estimate."), expr: "s.n_dead_tup"},
		{family: userTable.gauge("n_mod_since_analyze", "Rows changed since the last analyze, an estimate."), expr: "s.n_mod_since_analyze"},
		{family: userTable.gauge("last_vacuum", "Unix time of the last VACUUM, 0 if never."), expr: whole("s.last_vacuum")},
		{family: userTable.gauge("last_autovacuum", "Unix time of the last vacuum by autovacuum, 0 if never."), expr: whole("s.last_autovacuum")},
		{family: userTable.gauge("last_analyze", "Unix time of the last ANALYZE, 0 if never."), expr: whole("s.last_analyze")},
		{family: userTable.gauge("last_autoanalyze", "Unix time of the last analyze by autovacuum, 0 if never."), expr: whole("s.last_autoanalyze")},
		{family: userTable.counter("vacuum_count", "Runs of VACUUM."), expr: "s.vacuum_count"},
		{family: userTable.counter("autovacuum_count", "Vacuums by autovacuum."), expr: "s.autovacuum_count"},
		{family: userTable.counter("analyze_count", "Runs of ANALYZE."), expr: "s.analyze_count"},
		{family: userTable.counter("autoanalyze_count", "Analyzes by autovacuum."), expr: "s.autoanalyze_count"},
	},
	from: "FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid ORDER BY c.relpages DESC, c.oid",
}

// tableSizesView asks the file system for every file of every table. It leaves out the tables that somebody has locked
// altogether or wants to: asking for their size would wait for the lock, and make others wait.
var tableSizesView = view{
	part: partUserTables, name: "user_table_sizes",
	local: true, capped: true, slow: true,
	labels: tableLabels,
	values: []value{
		{
			family: userTable.gauge("index_size_bytes", "Space on disk that the table's indexes take. Read rarely: "+
				"chronoops_postgres_view_age_seconds tells how long ago. Absent for a table that was locked then."),
			expr: "CASE WHEN " + unlocked + " THEN pg_indexes_size(c.oid) END",
		},
		{
			family: userTable.gauge("table_size_bytes", "Space on disk that the table takes without its indexes. Read rarely: "+
				"chronoops_postgres_view_age_seconds tells how long ago. Absent for a table that was locked then."),
			expr: "CASE WHEN " + unlocked + " THEN pg_table_size(c.oid) END",
		},
	},
	from: `FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid CROSS JOIN (
			SELECT ARRAY(SELECT relation FROM pg_locks WHERE ` + exclusive + `
				UNION SELECT indrelid FROM pg_index WHERE indexrelid IN (SELECT relation FROM pg_locks WHERE ` + exclusive + `)) AS oids
		) l ORDER BY c.relpages DESC, c.oid`,
}

const (
	exclusive = `locktype = 'relation' AND mode = 'AccessExclusiveLock'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	unlocked = "c.oid <> ALL (l.oids) AND c.reltoastrelid <> ALL (l.oids)"
)

// tableIOView reads where the blocks of the tables of the connected database came from.
var tableIOView = view{
	part: partUserTableIO, name: "statio_user_tables",
	local: true, capped: true,
	labels: tableLabels,
	values: []value{
		{family: userTableIO.counter("heap_blocks_read", "Blocks of the table not found in shared buffers."), expr: "coalesce(s.heap_blks_read, 0)"},
		{family: userTableIO.counter("heap_blocks_hit", "Blocks of the table found in shared buffers."), expr: "coalesce(s.heap_blks_hit, 0)"},
		{family: userTableIO.counter("idx_blocks_read", "Blocks of its indexes not found in shared buffers."), expr: "coalesce(s.idx_blks_read, 0)"},
		{family: userTableIO.counter("idx_blocks_hit", "Blocks of its indexes found in shared buffers."), expr: "coalesce(s.idx_blks_hit, 0)"},
		{family: userTableIO.counter("toast_blocks_read", "Blocks of its TOAST table not found in shared buffers."), expr: "coalesce(s.toast_blks_read, 0)"},
		{family: userTableIO.counter("toast_blocks_hit", "Blocks of its TOAST table found in shared buffers."), expr: "coalesce(s.toast_blks_hit, 0)"},
		{family: userTableIO.counter("tidx_blocks_read", "Blocks of its TOAST table's index not found in shared buffers."), expr: "coalesce(s.tidx_blks_read, 0)"},
		{family: userTableIO.counter("tidx_blocks_hit", "Blocks of its TOAST table's index found in shared buffers."), expr: "coalesce(s.tidx_blks_hit, 0)"},
	},
	from: "FROM pg_statio_user_tables s JOIN pg_class c ON c.oid = s.relid ORDER BY c.relpages DESC, c.oid",
}

// whole is a time in whole seconds, 0 for none, as postgres_exporter has it.
func whole(column string) string { return "coalesce(floor(extract(epoch FROM " + column + ")), 0)" }
