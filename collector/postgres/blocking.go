package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// mostBlocked bounds the waiting sessions whose blockers are asked for: each asking stops the lock manager for a moment.
const mostBlocked = 300

// blockingView reads who waits for a heavyweight lock, and for whom. The lock manager is asked only if somebody waits.
// Before PostgreSQL 14 the server does not know since when: the start of the statement is taken for it. Who waits for
// another's transaction because of a row has a lock on the row, which tells the table.
var blockingView = blockingViewOf(14, 0, "coalesce(l.waitstart, a.query_start)")

var blockingView13 = blockingViewOf(0, 14, "a.query_start")

func blockingViewOf(since, until int, start string) view {
	return view{
		part: partBlocking, name: "blocking", since: since, until: until,
		monitor: true,
		decoder: func(c *Collector) decoder { return &blocking{fold: c.fold, text: c.intern.text} },
		emits: []*collector.Family{
			blockedSessions, blockedLongest, blockingSessions, blockingDepth, blockingBehind, blockingAge, lockWaiters, lockLongest,
		},
		sql: `WITH waiting AS MATERIALIZED (
			SELECT pid, pg_blocking_pids(pid) AS blockers FROM (
				SELECT pid FROM pg_stat_get_activity(NULL) WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()
				ORDER BY query_start LIMIT ` + strconv.Itoa(mostBlocked) + ` OFFSET 0
			) w
		)
		SELECT a.pid::text, d.datname::text, pg_get_userbyid(a.usesysid)::text,
			coalesce(nullif(a.application_name, ''), nullif(a.backend_type, 'client backend')), a.state,
			extract(epoch FROM now() - a.xact_start)::float8, array_to_string(w.blockers, ','),
			extract(epoch FROM clock_timestamp() - ` + start + `)::float8, l.locktype, l.mode, ` + strings.ReplaceAll(relationSQL, "s.relid", "l.rel") + `
		FROM pg_stat_get_activity(NULL) a LEFT JOIN waiting w USING (pid) LEFT JOIN pg_database d ON d.oid = a.datid
			LEFT JOIN LATERAL (
				SELECT *, coalesce(relation, (
					SELECT relation FROM pg_locks t WHERE t.pid = w.pid AND t.granted AND t.locktype = 'tuple' LIMIT 1
				)) AS rel FROM pg_locks WHERE w.pid IS NOT NULL AND pg_locks.pid = w.pid AND NOT granted LIMIT 1
			) l ON true
		WHERE w.pid IS NOT NULL OR a.pid IN (SELECT unnest(blockers) FROM waiting)
		UNION ALL SELECT NULL, datname::text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pg_database WHERE datallowconn`,
	}
}

var (
	blockedSessions  = gauge("chronoops_postgres_blocked_sessions", "Sessions that wait for a lock on a relation, row, transaction or the like.", "datname")
	blockedLongest   = gauge("chronoops_postgres_blocked_longest_seconds", "Longest time that one of them has waited; before PostgreSQL 14 since its statement began.", "datname")
	blockingSessions = gauge("chronoops_postgres_blocking_sessions", "Sessions that others wait for and that wait for no lock themselves: the causes.", "datname")
	blockingDepth    = gauge("chronoops_postgres_blocking_depth", "Longest chain of sessions that wait for each other; 0 if nobody waits.")

	blockerLabels  = []string{"datname", "usename", "application_name", "state"}
	blockingBehind = gauge("chronoops_postgres_blocking_sessions_behind",
		"Sessions that wait for such a cause, directly or behind others. The 10 groups with the most are told apart, the rest is other.", blockerLabels...)
	blockingAge = gauge("chronoops_postgres_blocking_transaction_seconds", "Age of the oldest transaction of such a group.", blockerLabels...)

	lockLabels  = []string{"datname", "relname", "locktype", "mode"}
	lockWaiters = gauge("chronoops_postgres_lock_waiters",
		"Sessions that wait for the lock. The 20 locks with the most are told apart, the rest is other. Relations of other databases than the connected one are numbers.",
		lockLabels...)
	lockLongest = gauge("chronoops_postgres_lock_longest_wait_seconds", "Longest time that a session has waited for the lock.", lockLabels...)
)

// blocking builds the graph of who waits for whom.
type blocking struct {
	fold func(string) string
	text func([]byte) string

	databases []string
	sessions  map[string]*waiter // by pid
}

// waiter is a session that waits, or that others wait for.
type waiter struct {
	datname string
	group   [4]string // label values of blockerLabels
	age     float64   // of its transaction
	waits   float64   // how long it has waited
	lock    [4]string // label values of lockLabels
	by      []string  // pids; empty for one that does not wait

	behind []*waiter // who waits for it
	depth  int       // of the chain that ends here; 0 while unknown
	seen   int       // mark of the last walk
}

func (b *blocking) begin() [][]byte {
	b.databases = b.databases[:0]
	b.sessions = make(map[string]*waiter)
	return nil
}

func (b *blocking) row(_ *samples, row [][]byte) error {
	if row[0] == nil {
		b.databases = append(b.databases, b.text(row[1]))
		return nil
	}
	w := &waiter{datname: b.text(row[1])}
	w.group = [4]string{w.datname, b.text(row[2]), b.fold(b.text(row[3])), b.text(row[4])}
	var err error
	if w.age, err = seconds(row[5]); err != nil {
		return err
	}
	if len(row[6]) > 0 {
		w.by = strings.Split(string(row[6]), ",")
		w.lock = [4]string{w.datname, b.text(row[10]), b.text(row[8]), b.text(row[9])}
		if w.waits, err = seconds(row[7]); err != nil {
			return err
		}
	}
	b.sessions[string(row[0])] = w
	return nil
}

func seconds(b []byte) (float64, error) {
	if b == nil {
		return 0, nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, fmt.Errorf("a time: %w", err)
	}
	return max(v, 0), nil
}

// end links the sessions and counts.
func (b *blocking) end(out *samples) error {
	var blocked []*waiter
	for _, w := range b.sessions {
		if len(w.by) > 0 {
			blocked = append(blocked, w)
		}
	}
	for _, w := range blocked {
		for _, pid := range w.by {
			blocker := b.sessions[pid]
			if blocker == nil { // A prepared transaction, whose pid is 0, or gone in the meantime.
				blocker = &waiter{datname: w.datname, group: [4]string{w.datname, "", "", ""}}
				if pid == "0" {
					blocker.group[3] = "prepared transaction"
				}
				b.sessions[pid] = blocker
			}
			blocker.behind = append(blocker.behind, w)
		}
	}
	b.count(out, blocked)
	causes := newRanking(blockerLabels, 10)
	mark, depth := 0, 0
	for _, w := range b.sessions {
		if len(w.by) == 0 && len(w.behind) > 0 {
			mark++
			causes.add(w.group[:], float64(w.reach(mark)), w.age)
		}
		depth = max(depth, w.chain())
	}
	out.put(blockingDepth, float64(depth))
	causes.write(out, blockingBehind, blockingAge)
	return nil
}

// count sums up by database and by lock.
func (b *blocking) count(out *samples, blocked []*waiter) {
	waiting, longest, causes := make(map[string]float64), make(map[string]float64), make(map[string]float64)
	locks := newRanking(lockLabels, 20)
	for _, w := range blocked {
		waiting[w.datname]++
		longest[w.datname] = max(longest[w.datname], w.waits)
		locks.add(w.lock[:], 1, w.waits)
	}
	for _, w := range b.sessions {
		if len(w.by) == 0 && len(w.behind) > 0 {
			causes[w.datname]++
		}
	}
	for _, name := range b.databases {
		out.put(blockedSessions, waiting[name], name)
		out.put(blockedLongest, longest[name], name)
		out.put(blockingSessions, causes[name], name)
	}
	locks.write(out, lockWaiters, lockLongest)
}

// reach counts the sessions behind w, each once.
func (w *waiter) reach(mark int) int {
	n := 0
	for _, next := range w.behind {
		if next.seen != mark {
			next.seen = mark
			n += 1 + next.reach(mark)
		}
	}
	return n
}

// chain returns the length of the longest chain behind w. A deadlock that the server has not broken yet ends it.
func (w *waiter) chain() int {
	if w.depth > 0 {
		return w.depth - 1
	}
	w.depth = 1
	longest := 0
	for _, next := range w.behind {
		longest = max(longest, 1+next.chain())
	}
	w.depth = longest + 1
	return longest
}
