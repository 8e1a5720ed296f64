package postgres

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector"
)

// QueryConfig is a query of the operator's own. Each of its columns is a label or becomes a metric that is called
// NAME_COLUMN.
type QueryConfig struct {
	Name    string                  `yaml:"name"`
	SQL     string                  `yaml:"sql"`
	Columns map[string]ColumnConfig `yaml:"columns"`
	// MinInterval is the least time between two readings; 0 reads at each scrape.
	MinInterval model.Duration `yaml:"min_interval,omitempty"`
	// Timeout is how long the query may run; by default 5s.
	Timeout model.Duration `yaml:"timeout,omitempty"`
	// Databases are patterns of the databases to run it in, in the background of scrapes, with a label datname. By
	// default it runs in the connected database, within the scrape.
	Databases []string `yaml:"databases,omitempty"`
	// MaxRows is how many rows it may return; by default 1000.
	MaxRows int `yaml:"max_rows,omitempty"`
}

// ColumnConfig says what a column of a query is.
type ColumnConfig struct {
	Type string `yaml:"type"` // label, counter or gauge
	Help string `yaml:"help,omitempty"`
}

const (
	defaultQueryTimeout = 5 * time.Second
	defaultMaxRows      = 1000
)

var (
	validMetric = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	validLabel  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

	// foreign are the prefixes of what other parts of the program emit.
	foreign = []string{"chronoops_", "node_", "redis_", "probe_", "http_", "go_", "process_", "promhttp_", "pg_settings_", "pg_exporter_", "pg_scrape_"}
)

// validateQueries checks the queries together with the metrics that are built in.
func validateQueries(list []QueryConfig) error {
	taken := make(map[string]string)
	for _, p := range Parts() {
		for _, f := range p.Families {
			taken[f.Name], taken[f.Legacy] = "part "+p.Name, "part "+p.Name
		}
	}
	names := make(map[string]bool)
	for _, q := range list {
		if !validMetric.MatchString(q.Name) {
			return fmt.Errorf("the query name %q begins its metrics' names: use lower-case letters, digits and underscores", q.Name)
		}
		if err := q.validate(); err != nil {
			return fmt.Errorf("query %q: %w", q.Name, err)
		}
		if names[q.Name] {
			return fmt.Errorf("two queries are called %q: give each a name of its own", q.Name)
		}
		names[q.Name] = true
		for _, f := range q.families() {
			if by, ok := taken[f.Name]; ok {
				return fmt.Errorf("query %q: %s is already the name of a metric of %s: choose another name or column alias", q.Name, f.Name, by)
			}
			taken[f.Name] = fmt.Sprintf("query %q", q.Name)
			for _, prefix := range foreign {
				if strings.HasPrefix(f.Name, prefix) {
					return fmt.Errorf("query %q: names that begin with %s are taken: choose another name", q.Name, prefix)
				}
			}
		}
	}
	return nil
}

func (q *QueryConfig) validate() error {
	if err := checkSQL(q.SQL); err != nil {
		return err
	}
	if err := checkPatterns(q.Databases); err != nil {
		return err
	}
	switch {
	case q.MinInterval < 0 || q.Timeout < 0 || q.MaxRows < 0:
		return errors.New("min_interval, timeout and max_rows must not be negative")
	case len(q.families()) == 0:
		return errors.New("no column is a counter or a gauge: describe at least one, such as columns: {n: {type: gauge}}")
	}
	for name, c := range q.Columns {
		switch {
		case c.Type != "label" && c.Type != "counter" && c.Type != "gauge":
			return fmt.Errorf("column %q has the type %q: use label, counter or gauge", name, c.Type)
		case c.Type == "label" && (!validLabel.MatchString(name) || strings.HasPrefix(name, "__")):
			return fmt.Errorf("column %q cannot be a label: give it an alias of letters, digits and underscores", name)
		case c.Type != "label" && !validMetric.MatchString(name):
			return fmt.Errorf("column %q cannot end a metric's name: give it an alias of lower-case letters, digits and underscores", name)
		case name == "datname" && len(q.Databases) > 0:
			return errors.New("a query with databases gets the label datname by itself: leave out the column, or rename it")
		}
	}
	return nil
}

// checkSQL takes one query that reads. That it cannot write is the session's concern, which is read only.
func checkSQL(sql string) error {
	list, closed := tokens(sql)
	if len(list) > 0 && list[len(list)-1].text == ";" {
		list = list[:len(list)-1]
	}
	switch {
	case len(list) == 0:
		return errors.New("sql is missing: give one SELECT")
	case !closed:
		return errors.New("sql has a quote or comment that is not closed")
	case slices.ContainsFunc(list, func(t token) bool { return t.text == ";" }):
		return errors.New("sql is more than one statement: give one SELECT, and further queries names of their own")
	case slices.ContainsFunc(list, func(t token) bool { return t.kind == tokenParam }):
		return errors.New("sql has a parameter such as $1: there is nothing to put in its place")
	}
	switch first := strings.ToLower(list[0].text); first {
	case "select", "with", "values", "table", "(":
		return nil
	default:
		return fmt.Errorf("sql begins with %s: use SELECT, WITH, VALUES or TABLE", strings.ToUpper(first))
	}
}

// bare is the query without the semicolon that may end it.
func (q *QueryConfig) bare() string {
	if list, _ := tokens(q.SQL); list[len(list)-1].text == ";" {
		return q.SQL[:list[len(list)-1].from]
	}
	return q.SQL
}

// labels lists the label columns, in the order of the families' labels.
func (q *QueryConfig) labels() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(q.Columns)) {
		if q.Columns[name].Type == "label" {
			list = append(list, name)
		}
	}
	return list
}

// families makes those of the value columns, in the order of their names.
func (q *QueryConfig) families() []*collector.Family {
	labels := q.labels()
	if len(q.Databases) > 0 {
		labels = append(labels, "datname")
	}
	var list []*collector.Family
	for _, name := range slices.Sorted(maps.Keys(q.Columns)) {
		c := q.Columns[name]
		if c.Type == "label" {
			continue
		}
		f := gauge(q.Name+"_"+name, c.Help, labels...)
		if c.Type == "counter" {
			f.Type = collector.Counter
		}
		if f.Help == "" {
			f.Help = fmt.Sprintf("Column %s of the configuration's query %s.", name, q.Name)
		}
		list = append(list, f)
	}
	return list
}
