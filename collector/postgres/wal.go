package postgres

// archiverView reads pg_stat_archiver.
var archiverView = view{
	part: partArchiver, name: "stat_archiver",
	values: []value{
		{family: counter("pg_stat_archiver_archived_count", "Segments of the write-ahead log archived."), expr: "archived_count"},
		{family: counter("pg_stat_archiver_failed_count", "Failed tries to archive a segment."), expr: "failed_count"},
		{
			family: gauge("pg_stat_archiver_last_archive_age",
				"Seconds since a segment was archived; absent if none ever was. It also grows while nothing is written."),
			expr: "extract(epoch FROM now() - last_archived_time)",
		},
		{
			family: gauge("chronoops_postgres_archiver_last_archived_timestamp_seconds", "Unix time at which a segment was archived last."),
			expr:   "extract(epoch FROM last_archived_time)",
		},
		{
			family: gauge("chronoops_postgres_archiver_last_failed_timestamp_seconds", "Unix time at which archiving a segment failed last."),
			expr:   "extract(epoch FROM last_failed_time)",
		},
	},
	from: "FROM pg_stat_archiver",
}

// walView lists the files of the write-ahead log.
var walView = view{
	part: partWAL, name: "wal",
	values: []value{
		{family: gauge("pg_wal_segments", "Segments of the write-ahead log on disk."), expr: "count(*)"},
		{family: gauge("pg_wal_size_bytes", "Size of the segments of the write-ahead log on disk."), expr: "sum(size)"},
	},
	from: "FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
}

// xlogView keeps an old name of postgres_exporter filled, which itself has it before PostgreSQL 10 only.
var xlogView = view{
	part: partXlog, name: "xlog_location",
	values: []value{{
		family: gauge("pg_xlog_location_bytes", "Position that a primary writes at or a standby has replayed up to, modulo 2^52."),
		expr: `(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')
			% 4503599627370496`,
	}},
}

var statWAL = naming{prefix: "chronoops_postgres_wal_"}

// statWALView reads how much write-ahead log was made, and what writing it took. PostgreSQL 18 moved the latter to
// pg_stat_io.
var statWALView = view{
	part: partStatWAL, name: "stat_wal", since: 14, until: 18,
	values: append([]value{
		{family: walWrites, expr: "wal_write"},
		{family: walSyncs, expr: "wal_sync"},
		{family: walWriteSeconds, expr: "wal_write_time / 1000"},
		{family: walSyncSeconds, expr: "wal_sync_time / 1000"},
	}, walValues...),
	from: "FROM pg_stat_wal w",
}

var statWALView18 = view{
	part: partStatWAL, name: "stat_wal", since: 18,
	values: append([]value{
		{family: walWrites, expr: "o.writes"},
		{family: walSyncs, expr: "o.fsyncs"},
		{family: walWriteSeconds, expr: "o.write_time / 1000"},
		{family: walSyncSeconds, expr: "o.fsync_time / 1000"},
	}, walValues...),
	from: `FROM pg_stat_wal w, (
		SELECT sum(writes) AS writes, sum(fsyncs) AS fsyncs, sum(write_time) AS write_time, sum(fsync_time) AS fsync_time
		FROM pg_stat_io WHERE object = 'wal'
	) o`,
}

var (
	walWrites       = statWAL.counter("writes_total", "Times that buffers of the write-ahead log were written to disk.")
	walSyncs        = statWAL.counter("syncs_total", "Times that files of the write-ahead log were synced.")
	walWriteSeconds = statWAL.counter("write_seconds_total", "Time spent writing the log; 0 without track_wal_io_timing.")
	walSyncSeconds  = statWAL.counter("sync_seconds_total", "Time spent syncing the log; 0 without track_wal_io_timing.")

	walValues = []value{
		{family: statWAL.counter("records_total", "Records written to the write-ahead log."), expr: "w.wal_records"},
		{family: statWAL.counter("full_page_images_total", "Images of whole pages written to the write-ahead log."), expr: "w.wal_fpi"},
		{family: statWAL.counter("generated_bytes_total", "Bytes of write-ahead log made."), expr: "w.wal_bytes"},
		{
			family: statWAL.counter("buffers_full_total", "Times that the log was written because its buffers were full."),
			expr:   "w.wal_buffers_full",
		},
	}
)
