package postgres

var ioBy = naming{"chronoops_postgres_io_", []string{"backend_type", "object", "context"}}

// ioView reads pg_stat_io, less the many rows of what never happened.
var ioView = view{
	part: partIO, name: "stat_io", since: 16,
	labels: []string{"backend_type", "object", "context"},
	values: []value{
		{family: ioBy.counter("reads_total", "Read operations."), expr: "reads"},
		{family: ioReadBytes, expr: "reads * op_bytes", until: 18},
		{family: ioReadBytes, expr: "read_bytes", since: 18},
		{family: ioBy.counter("read_seconds_total", "Time spent reading; 0 without track_io_timing."), expr: "read_time / 1000"},
		{family: ioBy.counter("writes_total", "Write operations."), expr: "writes"},
		{family: ioWriteBytes, expr: "writes * op_bytes", until: 18},
		{family: ioWriteBytes, expr: "write_bytes", since: 18},
		{family: ioBy.counter("write_seconds_total", "Time spent writing; 0 without track_io_timing."), expr: "write_time / 1000"},
		{family: ioBy.counter("writebacks_total", "Blocks that the kernel was asked to write out."), expr: "writebacks"},
		{family: ioBy.counter("extends_total", "Operations that made a file longer."), expr: "extends"},
		{family: ioExtendBytes, expr: "extends * op_bytes", until: 18},
		{family: ioExtendBytes, expr: "extend_bytes", since: 18},
		{family: ioBy.counter("hits_total", "Blocks found in a buffer."), expr: "hits"},
		{family: ioBy.counter("evictions_total", "Blocks written out of a buffer, or dropped, to make room."), expr: "evictions"},
		{family: ioBy.counter("reuses_total", "Buffers of a ring used again."), expr: "reuses"},
		{family: ioBy.counter("fsyncs_total", "Syncs of files."), expr: "fsyncs"},
		{family: ioBy.counter("fsync_seconds_total", "Time spent syncing; 0 without track_io_timing."), expr: "fsync_time / 1000"},
	},
	from: `FROM pg_stat_io WHERE greatest(reads, writes, extends, hits, fsyncs, writebacks, evictions, reuses) > 0`,
}

var (
	ioReadBytes   = ioBy.counter("read_bytes_total", "Bytes read.")
	ioWriteBytes  = ioBy.counter("written_bytes_total", "Bytes written.")
	ioExtendBytes = ioBy.counter("extended_bytes_total", "Bytes by which files were made longer.")
)
