package postgres

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// view is a query and what its columns mean, as data. Adding a view means adding one of these to views.
type view struct {
	part string
	name string // unique among those of a version; in logs and as the view label of the age metric

	// since and until bound the major versions (13, 14, …) that have the view; until is the first without it.
	since, until int

	changes string   // SQL expression; the view is read again only when its value is another
	labels  []string // SQL expressions of type text, in the order of the families' Labels
	values  []value
	from    string // what follows the select list

	slow       bool          // at most once every Config.SlowInterval; in between the last values, with their age
	every      time.Duration // instead of Config.SlowInterval; 0 for that
	background bool          // too heavy for a scrape: read by walks over the databases
	timeout    time.Duration // of the query, if it is to be shorter than the scrape's deadline; 0 for none
	databases  []string      // patterns of the databases that walks read it of, whatever Config.Databases says
	monitor    bool          // without pg_read_all_stats the columns of its rows are hidden
	folded     int           // 1 + index of the label whose distinct values are capped; 0 if none
	server     int           // 1 + index of the label that is the server's address; 0 if none
	capped     bool          // at most Config.Relations rows, the first ones of the order in from
	local      bool          // about the connected database; read of other databases as well if these are configured

	// extension is the one that has the view. {schema} stands for its schema in from, and since and until of the
	// values count its minor versions.
	extension string

	// decoder makes what turns rows into samples, for views whose samples are not simply their columns.
	decoder func(*Collector) decoder
	emits   []*collector.Family // what the decoder emits
	// sql replaces the whole query of a view that has a decoder; {columns} stands for its values.
	sql string
}

// value is a column that becomes samples. A NULL gives no sample.
type value struct {
	family       *collector.Family
	expr         string // SQL expression of a numeric type
	since, until int
	only         []int // indexes of the view's labels that the family has; nil for all
	largest      bool  // folded rows keep the largest value instead of the sum
}

// newDecoder returns nil for a view that has none.
func (v *view) newDecoder(c *Collector) decoder {
	if v.decoder == nil {
		return nil
	}
	return v.decoder(c)
}

// pace is the least time between two readings of a slow view.
func (v *view) pace(slow time.Duration) time.Duration { return cmp.Or(v.every, slow) }

// decoder turns rows into samples. It lives as long as the target keeps its major version.
type decoder interface {
	// begin starts a reading and returns the values of the query's parameters.
	begin() [][]byte
	// row takes the next row; it is valid during the call only.
	row(out *samples, row [][]byte) error
	// end is called after the last row.
	end(out *samples) error
}

// describer is a decoder that wants to know the names of the columns before their rows.
type describer interface{ describe(columns []string) error }

// placed is a decoder that wants to know the database.
type placed interface{ in(database string) }

// occasional is a decoder whose view is read only when there is something to learn.
type occasional interface{ wanted() bool }

func inVersion(version, since, until int) bool {
	return version >= since && (until == 0 || version < until)
}

// families lists what a view can emit.
func (v *view) families() []*collector.Family {
	list := slices.Clone(v.emits)
	for _, val := range v.values {
		list = append(list, val.family)
	}
	return list
}

// query builds the view's SQL and returns the values that the version has. x is the view's extension, if any.
func (v *view) query(major int, x extension) (sql string, values []value) {
	version := major
	if v.extension != "" {
		version = x.minor
	}
	var list []string
	if v.changes != "" {
		list = append(list, "("+v.changes+")::text")
	}
	if v.capped {
		list = append(list, "(count(*) OVER ())::text")
	}
	list = append(list, v.labels...)
	for _, val := range v.values {
		if inVersion(version, val.since, val.until) {
			values = append(values, val)
			list = append(list, "("+val.expr+")::float8")
		}
	}
	sql = v.sql
	if sql == "" {
		sql = "SELECT " + strings.Join(list, ", ") + " " + v.from
	} else {
		sql = strings.Replace(sql, "{columns}", strings.Join(list, ", "), 1)
	}
	if v.changes != "" {
		sql += " AND (" + v.changes + ")::text IS DISTINCT FROM $1"
	}
	if v.capped {
		sql += " LIMIT $1"
	}
	return strings.ReplaceAll(sql, "{schema}", x.schema), values
}
