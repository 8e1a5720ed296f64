package postgres

import "github.com/chronoops/chronoops/collector"

// statDatabaseView reads pg_stat_database, less the row of the objects that belong to no database.
var statDatabaseView = view{
	part: partStat, name: "stat_database",
	labels: []string{"datid::text", "datname"},
	values: []value{
		{family: perDatabase.gauge("numbackends", "Sessions connected to the database now."), expr: "numbackends"},
		{family: perDatabase.counter("xact_commit", "Transactions committed."), expr: "xact_commit"},
		{family: perDatabase.counter("xact_rollback", "Transactions rolled back."), expr: "xact_rollback"},
		{family: perDatabase.counter("blks_read", "Blocks read from outside of shared buffers."), expr: "blks_read"},
		{family: perDatabase.counter("blks_hit", "Blocks found in shared buffers."), expr: "blks_hit"},
		{family: perDatabase.counter("tup_returned", "Live rows that scans went over."), expr: "tup_returned"},
		{family: perDatabase.counter("tup_fetched", "Live rows fetched by index scans."), expr: "tup_fetched"},
		{family: perDatabase.counter("tup_inserted", "Rows inserted."), expr: "tup_inserted"},
		{family: perDatabase.counter("tup_updated", "Rows updated."), expr: "tup_updated"},
		{family: perDatabase.counter("tup_deleted", "Rows deleted."), expr: "tup_deleted"},
		{family: perDatabase.counter("conflicts", "Queries cancelled on a standby by conflicts with recovery."), expr: "conflicts"},
		{family: perDatabase.counter("temp_files", "Temporary files made by queries."), expr: "temp_files"},
		{family: perDatabase.counter("temp_bytes", "Bytes written to temporary files."), expr: "temp_bytes"},
		{family: perDatabase.counter("deadlocks", "Deadlocks found."), expr: "deadlocks"},
		{
			family: perDatabase.counter("blk_read_time", "Milliseconds spent reading blocks; 0 without track_io_timing."),
			expr:   "blk_read_time",
		},
		{
			family: perDatabase.counter("blk_write_time", "Milliseconds spent writing blocks; 0 without track_io_timing."),
			expr:   "blk_write_time",
		},
		{
			family: perDatabase.counter("stats_reset",
				"Unix time in seconds of the last reset, 0 if never. A timestamp, though its type says counter: "+
					"see chronoops_postgres_database_stats_reset_timestamp_seconds."),
			expr: "coalesce(floor(extract(epoch FROM stats_reset)), 0)",
		},
		{
			family: gauge("chronoops_postgres_database_stats_reset_timestamp_seconds", "Unix time of the last reset of the database's statistics.",
				"datname"),
			expr: "extract(epoch FROM stats_reset)", only: []int{1},
		},
		{
			family: perDatabase.counter("active_time_seconds_total", "Seconds spent executing statements."),
			expr:   "active_time / 1000", since: 14,
		},
	},
	from: "FROM pg_stat_database WHERE datname IS NOT NULL",
}

var perDatabase = naming{"pg_stat_database_", []string{"datid", "datname"}}

// conflictsView reads why queries on a standby were cancelled.
var conflictsView = view{
	part: partConflicts, name: "stat_database_conflicts",
	server: 3,
	labels: []string{"datid::text", "datname", "''"},
	values: []value{
		{family: conflicts.counter("tablespace", "Queries cancelled because a tablespace was dropped."), expr: "confl_tablespace"},
		{family: conflicts.counter("lock", "Queries cancelled because they waited too long for a lock."), expr: "confl_lock"},
		{family: conflicts.counter("snapshot", "Queries cancelled because their snapshot was too old."), expr: "confl_snapshot"},
		{family: conflicts.counter("bufferpin", "Queries cancelled because they pinned a buffer."), expr: "confl_bufferpin"},
		{family: conflicts.counter("deadlock", "Queries cancelled because of a deadlock."), expr: "confl_deadlock"},
		{
			family: &collector.Family{
				Name: conflicts.prefix + "active_logicalslot", Type: collector.Untyped, Labels: conflicts.labels,
				Help: "Uses of logical slots cancelled. A counter, though it has no type.",
			},
			expr: "confl_active_logicalslot", since: 16,
		},
	},
	from: "FROM pg_stat_database_conflicts",
}

var conflicts = naming{"pg_stat_database_conflicts_confl_", []string{"datid", "datname", "server"}}
