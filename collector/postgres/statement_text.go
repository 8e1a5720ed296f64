package postgres

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chronoops/chronoops/collector"
)

const (
	// longestText is how much of a statement's text becomes a label, in characters.
	longestText = 120
	// readTexts is the least time between two readings of texts: each makes the server read its whole file of them.
	readTexts = time.Minute
)

// statementTextsView reads the texts of the statements that have got series since it was read last.
var statementTextsView = view{
	part: partStatements, name: "statement_texts",
	extension: "pg_stat_statements",
	decoder: func(c *Collector) decoder {
		return &statementTexts{of: c.statements, now: c.now, known: make(map[string]string)}
	},
	emits: []*collector.Family{statementText},
	sql:   "SELECT queryid::text, left(min(query), 4096) FROM {schema}.pg_stat_statements(true) WHERE queryid = ANY ($1::bigint[]) GROUP BY 1",
}

var statementText = counter("pg_stat_statements_query_id",
	"Always 1, and no counter; the label is the statement's text without constants. Only with statements.query_text.", "queryid", "query")

// statementTexts remembers the texts of statements that have series.
type statementTexts struct {
	of    *statements
	now   func() time.Time
	known map[string]string // by queryid; empty if the server has none
	asked []string
	read  time.Time
}

// wanted tells whether there are statements whose text is not known.
func (s *statementTexts) wanted() bool {
	return len(s.missing()) > 0 && s.now().Sub(s.read) >= readTexts
}

func (s *statementTexts) missing() []string {
	var list []string
	for _, id := range s.of.ids() {
		if _, ok := s.known[id]; !ok {
			list = append(list, id)
		}
	}
	return list
}

func (s *statementTexts) begin() [][]byte {
	s.read, s.asked = s.now(), s.missing()
	return [][]byte{[]byte("{" + strings.Join(s.asked, ",") + "}")}
}

func (s *statementTexts) row(_ *samples, row [][]byte) error {
	s.known[string(row[0])] = plainStatement(string(row[1]))
	return nil
}

func (s *statementTexts) end(out *samples) error {
	kept := make(map[string]string)
	for _, id := range s.of.ids() {
		text, ok := s.known[id]
		if ok || slices.Contains(s.asked, id) {
			kept[id] = text
		}
		if text != "" {
			out.put(statementText, 1, id, text)
		}
	}
	s.known = kept
	return nil
}

// plainStatement leaves of a statement what is safe to show: no comments and no constants, and of commands whose
// constants the server itself does not replace, such as ALTER ROLE … PASSWORD, only the first two words.
func plainStatement(sql string) string {
	list, _ := tokens(strings.ToValidUTF8(sql, "\uFFFD"))
	if len(list) == 0 {
		return ""
	}
	switch strings.ToLower(list[0].text) {
	case "select", "insert", "update", "delete", "merge", "with", "values", "table", "copy", "fetch", "(":
	default:
		list = list[:min(2, len(list))]
		if len(list) > 1 && list[1].kind != tokenWord {
			list = list[:1]
		}
	}
	var b strings.Builder
	last := 0
	for i, t := range list {
		if i > 0 && t.from > last {
			b.WriteByte(' ')
		}
		last = t.from + len(t.text)
		if t.kind == tokenString || t.kind == tokenNumber {
			b.WriteByte('?')
		} else {
			b.WriteString(t.text)
		}
	}
	return cut(b.String(), longestText)
}

// cut shortens s to that many characters.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
