package postgres

// relationSQL names a relation of a process that works in database d: as seen from the connected database, which alone
// has its name, else by its number. The default search path is taken for granted.
const relationSQL = `CASE WHEN d.datname = current_database() THEN coalesce((
		SELECT CASE WHEN nspname IN ('public', 'pg_catalog') THEN '' ELSE quote_ident(nspname) || '.' END || quote_ident(relname)
		FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = s.relid
	), s.relid::text) ELSE s.relid::text END`

var vacuumProgress = naming{"pg_stat_progress_vacuum_", []string{"datname", "relname"}}

// vacuumProgressView has the names of postgres_exporter. Each vacuum has a row for each phase it can be in, the one
// that it is in with the numbers.
var vacuumProgressView = view{
	part: partVacuum, name: "stat_progress_vacuum",
	monitor: true,
	labels:  []string{"d.datname::text", relationSQL, "p.phase"},
	values: []value{
		{
			family: gauge("pg_stat_progress_vacuum_phase", "1 for the phase that the vacuum is in, 0 for the others.", "datname", "relname", "phase"),
			expr:   "(s.phase = p.phase)::int",
		},
		{family: vacuumProgress.gauge("heap_blks", "Blocks of the table when the vacuum began."), expr: nowOnly("s.heap_blks_total"), only: []int{0, 1}},
		{family: vacuumProgress.gauge("heap_blks_scanned", "Blocks of the table scanned."), expr: nowOnly("s.heap_blks_scanned"), only: []int{0, 1}},
		{family: vacuumProgress.gauge("heap_blks_vacuumed", "Blocks of the table vacuumed."), expr: nowOnly("s.heap_blks_vacuumed"), only: []int{0, 1}},
		{family: vacuumProgress.gauge("index_vacuums", "Rounds over the indexes completed."), expr: nowOnly("s.index_vacuum_count"), only: []int{0, 1}},
		{
			family: vacuumProgress.gauge("max_dead_tuples", "Dead rows that fit into the vacuum's memory; absent since PostgreSQL 17, which counts bytes."),
			expr:   nowOnly("s.max_dead_tuples"), only: []int{0, 1}, until: 17,
		},
		{family: deadTuples, expr: nowOnly("s.num_dead_tuples"), only: []int{0, 1}, until: 17},
		{family: deadTuples, expr: nowOnly("s.num_dead_item_ids"), only: []int{0, 1}, since: 17},
	},
	from: `FROM pg_stat_progress_vacuum s LEFT JOIN pg_database d ON d.oid = s.datid
		CROSS JOIN unnest(ARRAY['initializing', 'scanning heap', 'vacuuming indexes', 'vacuuming heap', 'cleaning up indexes',
			'truncating heap', 'performing final cleanup']) AS p(phase)`,
}

var deadTuples = vacuumProgress.gauge("num_dead_tuples", "Dead rows found since the last round over the indexes.")

func nowOnly(column string) string { return "CASE WHEN s.phase = p.phase THEN " + column + " END" }

var (
	progressLabels = []string{"command", "datname", "relname", "phase", "unit"}
	progressDone   = gauge("chronoops_postgres_progress_done", "What a running command has done of its phase, in the unit of the label.", progressLabels...)
	progressAll    = gauge("chronoops_postgres_progress_expected", "What the phase of a running command comes to in all; absent where the server cannot know.", progressLabels...)
	progressTime   = gauge("chronoops_postgres_progress_running_seconds", "Time since the transaction of a running command began.", progressLabels...)

	progressValues = []value{
		{family: progressDone, expr: "sum(s.done)"},
		{family: progressAll, expr: "sum(nullif(s.expected, 0))"},
		{family: progressTime, expr: "max(extract(epoch FROM now() - coalesce(a.xact_start, a.query_start)))"},
	}
	progressColumns = []string{"s.command", "coalesce(d.datname::text, '')", relationSQL, "s.phase", "s.unit"}
)

const (
	progressFrom = `FROM (
		SELECT 'vacuum' AS command, pid, datid, relid, phase, 'blocks' AS unit, heap_blks_scanned AS done, heap_blks_total AS expected
		FROM pg_stat_progress_vacuum
		UNION ALL SELECT 'analyze', pid, datid, relid, phase, 'blocks', sample_blks_scanned, sample_blks_total FROM pg_stat_progress_analyze
		UNION ALL SELECT 'cluster', pid, datid, relid, phase, 'blocks', heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster
		UNION ALL SELECT 'create index', pid, datid, relid, phase,
			CASE WHEN blocks_total > 0 THEN 'blocks' ELSE 'rows' END,
			CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
			CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END
		FROM pg_stat_progress_create_index
		UNION ALL SELECT 'base backup', pid, NULL, NULL, phase, 'bytes', backup_streamed, backup_total FROM pg_stat_progress_basebackup`
	progressTo = `) s LEFT JOIN pg_database d ON d.oid = s.datid LEFT JOIN pg_stat_get_activity(NULL) a ON a.pid = s.pid
		GROUP BY 1, 2, 3, 4, 5`
)

// progressView13 is progressView without COPY, whose progress PostgreSQL reports since 14.
var progressView13 = view{
	part: partProgress, name: "progress", until: 14,
	monitor: true,
	labels:  progressColumns, values: progressValues,
	from: progressFrom + progressTo,
}

// progressView reads how far long commands are. The phase is a label because the numbers start anew with each.
var progressView = view{
	part: partProgress, name: "progress", since: 14,
	monitor: true,
	labels:  progressColumns, values: progressValues,
	from: progressFrom + `
		UNION ALL SELECT 'copy', pid, datid, relid, lower(command), 'bytes', bytes_processed, bytes_total FROM pg_stat_progress_copy` + progressTo,
}
