package postgres

import (
	"slices"

	"github.com/chronoops/chronoops/collector"
)

// The parts of a PostgreSQL target. Those that postgres_exporter has as well are called as there.
const (
	partServer           = "postgres"
	partActivity         = "stat_activity"
	partStat             = "stat_database"
	partConflicts        = "stat_database_conflicts"
	partLocks            = "locks"
	partSettings         = "settings"
	partReplication      = "replication"
	partSlots            = "replication_slots"
	partStatReplication  = "stat_replication"
	partWalReceiver      = "stat_wal_receiver"
	partRoles            = "roles"
	partArchiver         = "stat_archiver"
	partBgwriter         = "stat_bgwriter"
	partCheckpointer     = "stat_checkpointer"
	partVacuum           = "stat_progress_vacuum"
	partUserTables       = "stat_user_tables"
	partUserTableIO      = "statio_user_tables"
	partIndexIO          = "statio_user_indexes"
	partWAL              = "wal"
	partXlog             = "xlog_location"
	partPostmaster       = "postmaster"
	partDatabase         = "database"
	partWraparound       = "database_wraparound"
	partLongTransactions = "long_running_transactions"
	partIdle             = "process_idle"
	partAutovacuum       = "stat_activity_autovacuum"
	partBuffercache      = "buffercache_summary"
	partStatements       = "stat_statements"

	partBlocking     = "blocking"
	partBloat        = "bloat"
	partConnections  = "connections"
	partHorizon      = "horizon"
	partProgress     = "progress"
	partIO           = "stat_io"
	partStatWAL      = "stat_wal"
	partUnused       = "unused_indexes"
	partUserIndexes  = "stat_user_indexes"
	partFileSettings = "file_settings"
)

// onDemand tells whether a part is off by default: it says what another says as well, is many series, needs an
// extension or rights beyond pg_monitor.
func onDemand(part string) bool {
	switch part {
	case partWalReceiver, partXlog, partWraparound, partLongTransactions, partIdle, partAutovacuum, partBuffercache, partIndexIO, partStatements,
		partUserIndexes, partFileSettings, partBloat:
		return true
	default:
		return false
	}
}

// views are read in this order, the slow ones last, so that what is cheap is not lost to a deadline.
func views() []*view {
	return []*view{
		&activityView, &statDatabaseView, &locksView, &blockingView, &blockingView13, &connectionsView, &replicationView, &receiverView, &statReplicationView, &standbysView,
		&slotsView, &databaseView, &bgwriterView, &bgwriterView17, &checkpointerView, &archiverView, &walView, &postmasterView,
		&statWALView, &statWALView18, &ioView, &horizonView, &vacuumProgressView, &progressView13, &progressView, &conflictsView,
		&rolesView, &settingsView, &tablesView, &tableIOView, &statWalReceiverView, &wraparoundView, &xlogView,
		&longTransactionsView, &idleView, &autovacuumView, &indexIOView, &indexesView, &buffercacheView, &statementsView, &statementTextsView,
		&fileSettingsView, &unusedIndexesView, &largestUnusedView, &databaseSizeView, &tableSizesView,
		&tableBloatView, &indexBloatView, &bloatUnknownView,
	}
}

// parts lists what can be selected of the views.
func parts(views []*view) []collector.Part {
	list := []collector.Part{{
		Name: partServer, Default: true,
		Families: []*collector.Family{up, static, collector.Down, age, databaseAge, leftOut, lastDuration, lastError, scrapes},
	}}
	index := map[string]int{}
	for _, v := range views {
		i, ok := index[v.part]
		if !ok {
			i = len(list)
			index[v.part] = i
			list = append(list, collector.Part{Name: v.part, Default: !onDemand(v.part)})
		}
		for _, f := range v.families() {
			if !slices.Contains(list[i].Families, f) {
				list[i].Families = append(list[i].Families, f)
			}
		}
	}
	return list
}

var (
	up = &collector.Family{
		Name: "pg_up", Type: collector.Gauge,
		Help: "Whether the server answered this scrape; see chronoops_target_down for the reason if not.",
	}
	static = &collector.Family{
		Name: "pg_static", Type: collector.Untyped,
		Help:   "Always 1; the labels tell the server's address and its version, in full and as a number.",
		Labels: []string{"server", "short_version", "version"},
	}
	age = &collector.Family{
		Name: "chronoops_postgres_view_age_seconds", Type: collector.Gauge,
		Help:   "How old the values of a view are that is not read at each scrape.",
		Labels: []string{"view"},
	}
	databaseAge = &collector.Family{
		Name: "chronoops_postgres_database_age_seconds", Type: collector.Gauge,
		Help:   "How old the oldest values of a database are that are read in the background of scrapes.",
		Labels: []string{"datname"},
	}
	leftOut = &collector.Family{
		Name: "chronoops_postgres_view_rows_left_out", Type: collector.Gauge,
		Help:   "Tables or indexes that have no series because the configuration's `relations` is lower than their number.",
		Labels: []string{"view"},
	}
)

// counter and gauge keep the tables of views readable.
func counter(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Counter, Labels: labels}
}

func gauge(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Gauge, Labels: labels}
}

// naming is what the families of a view have in common.
type naming struct {
	prefix string
	labels []string
}

func (n naming) counter(name, help string) *collector.Family {
	return counter(n.prefix+name, help, n.labels...)
}

func (n naming) gauge(name, help string) *collector.Family {
	return gauge(n.prefix+name, help, n.labels...)
}
