package postgres

import "github.com/chronoops/chronoops/collector"

var (
	bgwriter     = naming{prefix: "pg_stat_bgwriter_"}
	checkpointer = naming{prefix: "pg_stat_checkpointer_"}
)

// bgwriterView reads checkpoints and the background writer.
var bgwriterView = view{
	part: partBgwriter, name: "stat_bgwriter", until: 17,
	values: bgwriterValues,
	from:   "FROM pg_stat_bgwriter b",
}

// bgwriterView17 fills the same names. PostgreSQL 17 moved the checkpoints to pg_stat_checkpointer and what other
// processes write to pg_stat_io. Restartpoints count as checkpoints, as they do on the standbys of earlier versions.
var bgwriterView17 = view{
	part: partBgwriter, name: "stat_bgwriter", since: 17,
	values: bgwriterValues,
	from: `FROM pg_stat_bgwriter b, pg_stat_checkpointer c, (
			SELECT coalesce(sum(writes), 0) + coalesce(sum(extends), 0) AS writes, coalesce(sum(fsyncs), 0) AS fsyncs
			FROM pg_stat_io WHERE object = 'relation' AND backend_type NOT IN ('background writer', 'checkpointer')
		) o`,
}

var bgwriterValues = []value{
	{family: checkpointsTimed, expr: "b.checkpoints_timed", until: 17},
	{family: checkpointsTimed, expr: "c.num_timed + c.restartpoints_timed", since: 17},
	{family: checkpointsRequested, expr: "b.checkpoints_req", until: 17},
	{family: checkpointsRequested, expr: "c.num_requested + c.restartpoints_req", since: 17},
	{family: checkpointWriteTime, expr: "b.checkpoint_write_time", until: 17},
	{family: checkpointWriteTime, expr: "c.write_time", since: 17},
	{family: checkpointSyncTime, expr: "b.checkpoint_sync_time", until: 17},
	{family: checkpointSyncTime, expr: "c.sync_time", since: 17},
	{family: buffersCheckpoint, expr: "b.buffers_checkpoint", until: 17},
	{family: buffersCheckpoint, expr: "c.buffers_written", since: 17},
	{family: formerly("buffers_clean", "Buffers written by the background writer."), expr: "b.buffers_clean"},
	{
		family: bgwriter.counter("maxwritten_clean_total", "Times that the background writer stopped a scan because it had written enough."),
		expr:   "b.maxwritten_clean",
	},
	{family: buffersBackend, expr: "b.buffers_backend", until: 17},
	{family: buffersBackend, expr: "o.writes", since: 17},
	{family: buffersBackendFsync, expr: "b.buffers_backend_fsync", until: 17},
	{family: buffersBackendFsync, expr: "o.fsyncs", since: 17},
	{family: formerly("buffers_alloc", "Buffers allocated."), expr: "b.buffers_alloc"},
	{
		family: bgwriter.counter("stats_reset_total",
			"Unix time in whole seconds of the last reset, 0 if never. A timestamp, though its type says counter: "+
				"see chronoops_postgres_bgwriter_stats_reset_timestamp_seconds."),
		expr: "coalesce(floor(extract(epoch FROM b.stats_reset)), 0)",
	},
	{
		family: gauge("chronoops_postgres_bgwriter_stats_reset_timestamp_seconds", "Unix time of the last reset of these statistics."),
		expr:   "extract(epoch FROM b.stats_reset)",
	},
}

var (
	checkpointsTimed     = bgwriter.counter("checkpoints_timed_total", "Checkpoints begun because of checkpoint_timeout.")
	checkpointsRequested = bgwriter.counter("checkpoints_req_total", "Checkpoints requested, also by max_wal_size.")
	checkpointWriteTime  = formerly("checkpoint_write_time", "Milliseconds that checkpoints spent writing.")
	checkpointSyncTime   = formerly("checkpoint_sync_time", "Milliseconds that checkpoints spent syncing.")
	buffersCheckpoint    = formerly("buffers_checkpoint", "Buffers written by checkpoints.")
	buffersBackend       = formerly("buffers_backend",
		"Buffers written or added by other processes than checkpointer and background writer.")
	buffersBackendFsync = formerly("buffers_backend_fsync",
		"Times that such a process had to sync a file itself, because the checkpointer could not take the request.")
)

// formerly is a counter whose older name, without _total, dashboards still chart.
func formerly(name, help string) *collector.Family {
	f := bgwriter.counter(name+"_total", help)
	f.Legacy = bgwriter.prefix + name
	return f
}

// checkpointerView has the names that postgres_exporter gives to the view of PostgreSQL 17.
var checkpointerView = view{
	part: partCheckpointer, name: "stat_checkpointer", since: 17,
	values: []value{
		{family: checkpointer.counter("num_timed_total", "Checkpoints begun because of checkpoint_timeout."), expr: "num_timed"},
		{family: checkpointer.counter("num_requested_total", "Checkpoints requested, also by max_wal_size."), expr: "num_requested"},
		{family: checkpointer.counter("restartpoints_timed_total", "Restartpoints due by time on a standby."), expr: "restartpoints_timed"},
		{family: checkpointer.counter("restartpoints_req_total", "Restartpoints requested on a standby."), expr: "restartpoints_req"},
		{family: checkpointer.counter("restartpoints_done_total", "Restartpoints carried out on a standby."), expr: "restartpoints_done"},
		{family: checkpointer.counter("write_time_total", "Milliseconds spent writing."), expr: "write_time"},
		{family: checkpointer.counter("sync_time_total", "Milliseconds spent syncing."), expr: "sync_time"},
		{family: checkpointer.counter("buffers_written_total", "Buffers written by checkpoints and restartpoints."), expr: "buffers_written"},
		{
			family: checkpointer.counter("stats_reset_total",
				"Unix time in whole seconds of the last reset, 0 if never. A timestamp, though its type says counter."),
			expr: "coalesce(floor(extract(epoch FROM stats_reset)), 0)",
		},
	},
	from: "FROM pg_stat_checkpointer",
}
