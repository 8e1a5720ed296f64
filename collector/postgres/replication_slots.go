package postgres

var (
	ofSlot   = []int{0, 1}    // slot_name, slot_type
	inBase   = []int{0, 2}    // slot_name, database
	byWAL    = []int{0, 1, 3} // slot_name, slot_type, wal_status
	byReason = []int{0, 1, 4}
)

// slotsView reads the replication slots. Their invalidation_reason is a column since 17, which is why it is taken from
// the row as JSON.
var slotsView = view{
	part: partSlots, name: "replication_slots",
	labels: []string{"slot_name::text", "slot_type", "database::text", "wal_status", "coalesce(to_jsonb(s)->>'invalidation_reason', 'lost')"},
	values: []value{
		{
			family: gauge("pg_replication_slots_active", "Whether somebody reads from the slot now.", "slot_name", "database"),
			expr:   "active::int", only: inBase,
		},
		{
			family: gauge("pg_replication_slots_pg_wal_lsn_diff",
				"Bytes from the oldest position that the slot may still need to the server's position.", "slot_name", "database"),
			expr: positionSQL + " - restart_lsn", only: inBase,
		},
		{
			family: gauge("pg_replication_slots_slot_current_wal_lsn",
				"Position of this server's write-ahead log: what it writes or, on a standby, what it has received.", "slot_name", "slot_type"),
			expr: positionSQL + " - '0/0'", only: ofSlot,
		},
		{
			family: gauge("pg_replication_slots_slot_confirmed_flush_lsn",
				"Position that the reader of an active logical slot has confirmed; 0 for a physical one.", "slot_name", "slot_type"),
			expr: "CASE WHEN active THEN coalesce(confirmed_flush_lsn, '0/0') - '0/0' END", only: ofSlot,
		},
		{
			family: gauge("pg_replication_slots_slot_is_active", "Whether somebody reads from the slot now.", "slot_name", "slot_type"),
			expr:   "active::int", only: ofSlot,
		},
		{
			family: gauge("pg_replication_slots_safe_wal_size_bytes",
				"Bytes that can be written before the slot may be lost; absent without max_slot_wal_keep_size and for a lost slot.",
				"slot_name", "slot_type"),
			expr: "safe_wal_size", only: ofSlot,
		},
		{
			family: gauge("pg_replication_slots_wal_status",
				"Always 1; the label tells whether the log that the slot needs is reserved, extended, unreserved or lost.",
				"slot_name", "slot_type", "wal_status"),
			expr: "CASE WHEN wal_status IS NOT NULL THEN 1 END", only: byWAL,
		},
		{
			family: gauge("chronoops_postgres_slot_retained_bytes",
				"Write-ahead log that the server keeps for the slot; absent for a slot that is lost or was never used.", "slot_name", "slot_type"),
			expr: "CASE WHEN wal_status <> 'lost' THEN greatest(" + positionSQL + " - restart_lsn, 0) END", only: ofSlot,
		},
		{
			family: gauge("chronoops_postgres_slot_catalog_xmin_age",
				"Transactions since the oldest one whose catalog rows vacuum keeps for the slot.", "slot_name", "slot_type"),
			expr: "age(catalog_xmin)", only: ofSlot,
		},
		{
			family: gauge("chronoops_postgres_slot_inactive_since_timestamp_seconds",
				"Unix time since which nobody reads from the slot; absent while somebody does.", "slot_name", "slot_type"),
			expr: "CASE WHEN NOT active THEN extract(epoch FROM inactive_since) END", only: ofSlot, since: 17,
		},
		{
			family: gauge("chronoops_postgres_slot_invalidated",
				"1 for a slot that can no longer be used; the reason is just lost before PostgreSQL 17.", "slot_name", "slot_type", "reason"),
			expr: "CASE WHEN wal_status = 'lost' THEN 1 END", only: byReason,
		},
	},
	from: "FROM pg_replication_slots s",
}
