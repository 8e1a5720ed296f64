package postgres

// Bloat is estimated from what ANALYZE and VACUUM noted in pg_class and pg_stats: how many pages the rows of that time
// would fill if they were packed, against how many pages there were. Nothing of a table is read and no lock is taken
// beyond those of the catalogs. What the estimate cannot know: TOAST tables, the true padding between columns, what has
// happened since the last ANALYZE, and how well a btree could share the entries of equal keys in several columns. A few
// percent mean nothing. Tables whose statistics are missing or not readable by our role are left out and counted.

var (
	tableBloat = gauge("chronoops_postgres_table_bloat_bytes",
		"Estimate of the space in the table that its rows do not need, without TOAST, as of the last ANALYZE or VACUUM. The 50 tables with the most.",
		"datname", "schemaname", "relname")
	indexBloat = gauge("chronoops_postgres_index_bloat_bytes",
		"Estimate of the space in the btree index that its entries do not need, as of the last ANALYZE or VACUUM. The 50 indexes with the most.",
		"datname", "schemaname", "relname", "indexrelname")
	bloatUnknown = gauge("chronoops_postgres_bloat_unknown_tables",
		"Tables whose bloat cannot be estimated: never analyzed, or our role may not read their statistics, as members of pg_read_all_data may.", "datname")
)

// statsSQL is the statistics of plain columns that our role may see.
const statsSQL = "(SELECT * FROM pg_stats WHERE NOT inherited AND schemaname NOT IN ('pg_catalog', 'information_schema'))"

// paddingSQL is what aligning a column is likely to cost after the one before it. Short values of variable length are
// not aligned.
const paddingSQL = `CASE WHEN a.attlen < 0 AND st.avg_width < 127 THEN 0
	WHEN lag(a.attlen) OVER w > 0 AND lag(a.attlen) OVER w % al.size = 0 OR lag(a.attlen) OVER w IS NULL THEN 0
	ELSE (al.size - 1) / 2.0 END`

const alignSQL = "CROSS JOIN LATERAL (SELECT CASE a.attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END AS size) al"

var tableBloatView = view{
	part: partBloat, name: "table_bloat",
	local: true, slow: true, background: true,
	labels: []string{"current_database()::text", "e.nspname::text", "e.relname::text"},
	values: []value{{family: tableBloat, expr: "e.bytes"}},
	from: `FROM (
		SELECT t.nspname, t.relname, t.oid, t.block * (t.relpages - ceil(t.reltuples / greatest(floor((t.block - 24) * t.fill / 100 / (t.row + 4)), 1))) AS bytes
		FROM (
			SELECT n.nspname, c.relname, c.oid, c.relpages, c.reltuples, current_setting('block_size')::float8 AS block,
				coalesce(substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=([0-9]+)')::float8, 100) AS fill,
				8 * ceil((8 * ceil((23 + CASE WHEN s.nulls THEN ceil(c.relnatts / 8.0) ELSE 0 END) / 8) + s.width) / 8) AS row
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN (
				SELECT attrelid, sum(width) AS width, bool_or(null_frac > 0) AS nulls, bool_and(width IS NOT NULL) AS known
				FROM (
					SELECT a.attrelid, st.null_frac, (1 - st.null_frac) * (st.avg_width + ` + paddingSQL + `) AS width
					FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
						JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ` + alignSQL + `
						LEFT JOIN ` + statsSQL + ` st ON st.schemaname = n.nspname AND st.tablename = c.relname AND st.attname = a.attname
					WHERE c.relkind IN ('r', 'm') AND c.relpages > 0 AND c.reltuples >= 0
						AND n.nspname NOT IN ('pg_catalog', 'information_schema')
					WINDOW w AS (PARTITION BY a.attrelid ORDER BY a.attnum)
				) columns GROUP BY attrelid
			) s ON s.attrelid = c.oid WHERE s.known
		) t
	) e WHERE e.bytes > 0 ORDER BY e.bytes DESC, e.oid LIMIT 50`,
}

// indexBloatView takes for granted that an index of one column that is not unique shares the entries of equal keys.
var indexBloatView = view{
	part: partBloat, name: "index_bloat",
	local: true, slow: true, background: true,
	labels: []string{"current_database()::text", "e.nspname::text", "e.tablename::text", "e.relname::text"},
	values: []value{{family: indexBloat, expr: "e.bytes"}},
	from: `FROM (
		SELECT t.nspname, t.tablename, t.relname, t.oid, t.block * (t.relpages - 1 - ceil(1.005 * ceil(t.reltuples
			* CASE WHEN t.shared > 1 THEN least(t.entry, 6 + t.entry / t.shared) ELSE t.entry END / ((t.block - 40) * t.fill / 100)))) AS bytes
		FROM (
			SELECT n.nspname, r.relname AS tablename, c.relname, c.oid, c.relpages, c.reltuples, current_setting('block_size')::float8 AS block,
				coalesce(substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=([0-9]+)')::float8, 90) AS fill,
				4 + 8 * ceil((8 + s.width) / 8) AS entry,
				CASE WHEN i.indnatts = 1 AND NOT i.indisunique THEN c.reltuples / nullif(s.keys, 0) END AS shared
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid
				JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am am ON am.oid = c.relam JOIN (
				SELECT attrelid, sum(width) AS width, max(keys) AS keys, bool_and(width IS NOT NULL) AS known
				FROM (
					SELECT a.attrelid, (1 - st.null_frac) * (st.avg_width + ` + paddingSQL + `) AS width,
						CASE WHEN st.n_distinct < 0 THEN -st.n_distinct * c.reltuples ELSE st.n_distinct END AS keys
					FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid
						JOIN pg_namespace n ON n.oid = c.relnamespace
						JOIN pg_attribute a ON a.attrelid = c.oid ` + alignSQL + `
						LEFT JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = i.indkey[a.attnum - 1] AND b.attnum <> 0
						LEFT JOIN ` + statsSQL + ` st ON st.schemaname = n.nspname
							AND st.tablename = CASE WHEN b.attnum IS NULL THEN c.relname ELSE r.relname END
							AND st.attname = coalesce(b.attname, a.attname)
					WHERE c.relpages > 1 AND c.reltuples >= 0 AND i.indisvalid AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
					WINDOW w AS (PARTITION BY a.attrelid ORDER BY a.attnum)
				) columns GROUP BY attrelid
			) s ON s.attrelid = c.oid WHERE s.known AND am.amname = 'btree'
		) t
	) e WHERE e.bytes > 0 ORDER BY e.bytes DESC, e.oid LIMIT 50`,
}

var bloatUnknownView = view{
	part: partBloat, name: "bloat_unknown",
	local: true, slow: true, background: true,
	labels: []string{"current_database()::text"},
	values: []value{{family: bloatUnknown, expr: "count(*)"}},
	from: `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_filenode(c.oid) IS NOT NULL
			AND (c.reltuples < 0 OR c.relpages > 0 AND EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
					SELECT FROM pg_stats st
					WHERE NOT st.inherited AND st.schemaname = n.nspname AND st.tablename = c.relname AND st.attname = a.attname)))`,
}
