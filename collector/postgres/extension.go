package postgres

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// extension is where an extension lives in the connected database, and in which version.
type extension struct {
	schema string // quoted
	minor  int    // 11 of 1.11
}

// extensionsQuery finds the extensions that views may need. Their schemas are not in our search_path, where whoever may
// create functions in them could put some of theirs before those that our queries mean.
var extensionsQuery = query{name: "extensions", sql: `SELECT extname, quote_ident(nspname), split_part(extversion, '.', 2)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname IN ('pg_stat_statements', 'pg_buffercache')`}

func (s *session) learnExtension(row [][]byte) error {
	minor, err := strconv.Atoi(string(row[2]))
	if err != nil {
		return fmt.Errorf("version of extension %s: %w", row[0], err)
	}
	s.extensions[string(row[0])] = extension{schema: string(row[1]), minor: minor}
	return nil
}

// askFor reads the answer to extensionsQuery. What needs the extension is read from the next scrape on.
func (r *scrape) askFor(name string) error {
	if err := r.read(extensionsQuery.name, r.session.learnExtension); err != nil {
		return err
	}
	if _, ok := r.session.extensions[name]; !ok {
		return &missingError{name}
	}
	return nil
}

// doubt makes the next scrape ask for the extension again if the error looks as if it was dropped or moved.
func (s *session) doubt(name string, err error) {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && name != "" {
		switch pgErr.Code {
		case "42P01", "42883", "3F000": // no such table, function, schema
			delete(s.extensions, name)
		}
	}
}

// missingError says which extension a view needs.
type missingError struct{ extension string }

func (e *missingError) Error() string {
	return "the database of the dsn has no extension " + e.extension + ": CREATE EXTENSION " + e.extension +
		" there, or switch the part off"
}
