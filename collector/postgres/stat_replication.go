package postgres

// positionSQL is where the server is in the write-ahead log: what it writes or, on a standby, what it has received.
const positionSQL = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"

var (
	walSender = naming{"pg_stat_replication_", []string{"application_name", "client_addr", "state", "slot_name", "pid"}}
	standby   = naming{"chronoops_postgres_standby_", []string{"application_name", "client_addr", "slot_name"}}
)

// statReplicationView has the names of postgres_exporter: the pid makes new series at each reconnect of a standby.
var statReplicationView = view{
	part: partStatReplication, name: "stat_replication",
	monitor: true,
	labels:  []string{"r.application_name", "r.client_addr::text", "r.state", "s.slot_name::text", "r.pid::text"},
	values: []value{
		{
			family: walSender.gauge("pg_current_wal_lsn_bytes",
				"Position of this server's write-ahead log: what it writes or, on a standby, what it has received."),
			expr: positionSQL + " - '0/0'",
		},
		{
			family: walSender.gauge("pg_wal_lsn_diff", "Bytes by which what the standby has replayed is behind that position."),
			expr:   positionSQL + " - r.replay_lsn",
		},
	},
	from: "FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid",
}

// standbysView gives the raw positions of each standby. Where several connections look alike, as those of a base
// backup do, the one that is furthest behind counts.
var standbysView = view{
	part: partStatReplication, name: "standbys",
	monitor: true,
	labels:  []string{"r.application_name", "host(r.client_addr)", "s.slot_name::text"},
	values: []value{
		{family: standby.gauge("sent_bytes", "Position up to which the log was sent to the standby."), expr: "min(r.sent_lsn - '0/0')"},
		{family: standby.gauge("written_bytes", "Position up to which the standby has written."), expr: "min(r.write_lsn - '0/0')"},
		{family: standby.gauge("flushed_bytes", "Position up to which the standby has flushed to disk."), expr: "min(r.flush_lsn - '0/0')"},
		{family: standby.gauge("replayed_bytes", "Position up to which the standby has replayed."), expr: "min(r.replay_lsn - '0/0')"},
		{
			family: standby.gauge("reply_timestamp_seconds", "Unix time, by the standby's clock, of its last answer."),
			expr:   "min(extract(epoch FROM r.reply_time))",
		},
		{
			family: standby.gauge("write_lag_seconds", "Time that recent log took until the standby had written it; absent when idle."),
			expr:   "max(extract(epoch FROM r.write_lag))",
		},
		{
			family: standby.gauge("flush_lag_seconds", "Time that recent log took until the standby had flushed it; absent when idle."),
			expr:   "max(extract(epoch FROM r.flush_lag))",
		},
		{
			family: standby.gauge("replay_lag_seconds", "Time that recent log took until the standby had replayed it; absent when idle."),
			expr:   "max(extract(epoch FROM r.replay_lag))",
		},
		{family: standby.gauge("streaming", "Whether the standby streams, as it does once it has caught up."), expr: "min((r.state = 'streaming')::int)"},
		{
			family: standby.gauge("synchronous", "Whether commits wait for the standby now; 0 also for one that could take over as such."),
			expr:   "max((r.sync_state IN ('sync', 'quorum'))::int)",
		},
	},
	from: "FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid GROUP BY 1, 2, 3",
}
