package postgres

var (
	indexIO     = naming{"pg_statio_user_indexes_", []string{"schemaname", "relname", "indexrelname"}}
	userIndex   = naming{"chronoops_postgres_index_", []string{"datname", "schemaname", "relname", "indexrelname"}}
	indexLabels = []string{"current_database()::text", "s.schemaname::text", "s.relname::text", "s.indexrelname::text"}
)

// indexIOView has the names and labels of postgres_exporter, which do not tell the databases apart.
var indexIOView = view{
	part: partIndexIO, name: "statio_user_indexes",
	capped: true,
	labels: []string{"s.schemaname::text", "s.relname::text", "s.indexrelname::text"},
	values: []value{
		{family: indexIO.counter("idx_blks_read_total", "Blocks of the index not found in shared buffers."), expr: "s.idx_blks_read"},
		{family: indexIO.counter("idx_blks_hit_total", "Blocks of the index found in shared buffers."), expr: "s.idx_blks_hit"},
	},
	from: "FROM pg_statio_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid ORDER BY c.relpages DESC, c.oid",
}

// indexesView reads the use of every index.
var indexesView = view{
	part: partUserIndexes, name: "stat_user_indexes",
	local: true, capped: true,
	labels: indexLabels,
	values: []value{
		{family: userIndex.counter("scans_total", "Scans of the index begun on this server; standbys count their own."), expr: "s.idx_scan"},
		{family: userIndex.counter("entries_read_total", "Entries of the index returned by scans."), expr: "s.idx_tup_read"},
		{family: userIndex.counter("rows_fetched_total", "Live rows fetched by simple scans of the index."), expr: "s.idx_tup_fetch"},
		{
			family: userIndex.gauge("last_scan_timestamp_seconds", "Unix time of the last scan of the index; absent if never."),
			expr:   "extract(epoch FROM s.last_idx_scan)", since: 16,
		},
		{
			family: userIndex.gauge("size_bytes", "Size of the index when it was last vacuumed, analyzed or built."),
			expr:   "c.relpages::bigint * current_setting('block_size')::int",
		},
	},
	from: "FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid ORDER BY c.relpages DESC, c.oid",
}

const unused = `pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = i.indexrelid
	WHERE s.idx_scan = 0 AND i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident`

// unusedIndexesView sums up the indexes that cost writes and serve no reads.
var unusedIndexesView = view{
	part: partUnused, name: "unused_indexes",
	local: true, slow: true,
	labels: []string{"current_database()::text"},
	values: []value{
		{
			family: gauge("chronoops_postgres_unused_indexes",
				"Indexes never scanned on this server since its statistics were reset, those that hold a constraint not counted. A standby may use them.", "datname"),
			expr: "u.n",
		},
		{
			family: gauge("chronoops_postgres_unused_indexes_size_bytes", "Size of these indexes when they were last vacuumed, analyzed or built.", "datname"),
			expr:   "u.pages * current_setting('block_size')::int",
		},
		{
			family: gauge("chronoops_postgres_invalid_indexes", "Indexes that cost writes and cannot be used, as after a failed CREATE INDEX CONCURRENTLY.", "datname"),
			expr:   "(SELECT count(*) FROM pg_index WHERE NOT indisvalid)",
		},
	},
	from: "FROM (SELECT count(*) AS n, coalesce(sum(c.relpages), 0) AS pages FROM " + unused + ") u",
}

// largestUnusedView names the largest of them.
var largestUnusedView = view{
	part: partUnused, name: "largest_unused_indexes",
	local: true, slow: true,
	labels: indexLabels,
	values: []value{{
		family: gauge("chronoops_postgres_unused_index_size_bytes", "Size of one of the 20 largest indexes that were never scanned.", userIndex.labels...),
		expr:   "c.relpages::bigint * current_setting('block_size')::int",
	}},
	from: "FROM " + unused + " ORDER BY c.relpages DESC, c.oid LIMIT 20",
}
