package store

import (
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// keyColumn replaces {{id}} in the migrations.
const keyColumn = "INTEGER PRIMARY KEY AUTOINCREMENT"

// sqliteDSN opens the file in WAL mode, synchronous FULL; a writer takes the write lock when it begins.
func sqliteDSN(path string, write bool) string {
	q := url.Values{}
	for _, pragma := range []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-1000)",
	} {
		q.Add("_pragma", pragma)
	}
	if write {
		q.Set("_txlock", "immediate")
	} else {
		q.Add("_pragma", "query_only(ON)") // the driver takes a read-only transaction for any other
	}
	// A question mark or a percent sign in the path must not be taken for the query.
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?" + q.Encode()
}
