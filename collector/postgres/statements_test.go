package postgres

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// fakeStatements plays pg_stat_statements: it holds counters and answers the view's query.
type fakeStatements struct {
	counters map[statementKey]numbers
}

// ranked lists the statements by their time, the longest first.
func (f *fakeStatements) ranked() []statementKey {
	return slices.SortedFunc(maps.Keys(f.counters), func(a, b statementKey) int {
		return cmp.Or(cmp.Compare(f.counters[b][1], f.counters[a][1]), strings.Compare(a.id, b.id))
	})
}

// answer gives the rows for the parameters that begin returned.
func (f *fakeStatements) answer(params [][]byte) (rows [][][]byte) {
	top, _ := strconv.Atoi(string(params[0]))
	ids := strings.Split(strings.Trim(string(params[1]), "{}"), ",")
	sums := make(map[string]numbers)
	for k, n := range f.counters {
		sums[k.database] = sums[k.database].plus(n)
	}
	row := func(n numbers, head ...[]byte) {
		for _, v := range n {
			head = append(head, strconv.AppendFloat(nil, v, 'g', -1, 64))
		}
		rows = append(rows, head)
	}
	for i, k := range f.ranked() {
		if i < top || slices.Contains(ids, k.id) {
			row(f.counters[k], []byte(strconv.Itoa(i+1)), []byte(k.user), []byte(k.database), []byte(k.id))
		}
	}
	for db, n := range sums {
		row(n, nil, nil, []byte(db), nil)
	}
	return rows
}

// read does one reading and returns the calls_total series.
func (f *fakeStatements) read(t *testing.T, s *statements) map[statementKey]float64 {
	t.Helper()
	var out samples
	params := s.begin()
	for _, r := range f.answer(params) {
		if err := s.row(&out, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.end(&out); err != nil {
		t.Fatal(err)
	}
	found := make(map[statementKey]float64)
	for i, one := range out.list {
		if v := out.values(i); one.family.Name == "pg_stat_statements_calls_total" {
			k := statementKey{v[0], v[1], v[2]}
			if _, twice := found[k]; twice {
				t.Fatalf("%v comes twice", k)
			}
			found[k] = one.value
		}
	}
	return found
}

// TestStatementsAddUp lets statements run at random, and holds three promises at each reading: the series' increases are
// those of all statements, there are never more than twice the top, and one that was admitted stays.
func TestStatementsAddUp(t *testing.T) {
	const top, keep, step = 5, time.Hour, 15 * time.Second
	now := time.Unix(1_700_000_000, 0)
	s := newStatements(StatementsConfig{Top: top, Keep: model.Duration(keep)}, func() time.Time { return now },
		func(b []byte) string { return string(b) })
	random := rand.New(rand.NewPCG(1, 2))
	f := &fakeStatements{counters: make(map[statementKey]numbers)}
	databases := []string{"shop", "wiki"}
	run := func(grow float64) map[string]float64 {
		done := make(map[string]float64)
		for range 20 {
			db := databases[random.IntN(2)]
			k := statementKey{"app", db, strconv.Itoa(random.IntN(60))}
			n := f.counters[k]
			by := math.Floor(random.Float64() * grow)
			n[0] += by
			n[1] += by * random.Float64()
			f.counters[k] = n
			done[db] += by
		}
		return done
	}
	run(100)
	before := f.read(t, s)
	among := make(map[statementKey]time.Time) // when it was among the top last
	ever := make(map[statementKey]bool)
	for round := range 2000 {
		now = now.Add(step)
		done := run(math.Pow(1.003, float64(round)))
		after := f.read(t, s)
		increase := make(map[string]float64)
		for k, v := range after {
			was, ok := before[k]
			switch {
			case ok && v < was:
				t.Fatalf("round %d: %v went down from %v to %v", round, k, was, v)
			case ok:
				increase[k.database] += v - was
			}
			ever[k] = true
		}
		for _, db := range databases {
			if math.Abs(increase[db]-done[db]) > 1e-6*done[db]+1e-6 {
				t.Fatalf("round %d: the series of %s grew by %v, its statements by %v", round, db, increase[db], done[db])
			}
		}
		if len(after) > 2*top+len(databases) {
			t.Fatalf("round %d: %d series", round, len(after))
		}
		for k := range before {
			if _, ok := after[k]; !ok && now.Sub(among[k]) <= keep {
				t.Fatalf("round %d: %v lost its series %v after it was among the top", round, k, now.Sub(among[k]))
			}
		}
		for _, k := range f.ranked()[:top] {
			among[k] = now
		}
		before = after
	}
	if len(ever) < 4*top {
		t.Errorf("only %d statements ever had series: little was tried", len(ever))
	}
}

// TestStatementsKeepTheirSeries follows one statement that falls behind.
func TestStatementsKeepTheirSeries(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := newStatements(StatementsConfig{Top: 1, Keep: model.Duration(time.Hour)}, func() time.Time { return now },
		func(b []byte) string { return string(b) })
	f := &fakeStatements{counters: make(map[statementKey]numbers)}
	key := func(id int) statementKey { return statementKey{"app", "shop", strconv.Itoa(id)} }
	set := func(id int, calls, seconds float64) { f.counters[key(id)] = numbers{calls, seconds} }
	other := statementKey{otherName, "shop", otherName}
	check := func(want map[int]float64, wantOther float64) {
		t.Helper()
		got := f.read(t, s)
		if len(got) != len(want)+1 || got[other] != wantOther {
			t.Errorf("got %v, want %v and %v others", got, want, wantOther)
		}
		for id, v := range want {
			if got[key(id)] != v {
				t.Errorf("statement %d: %v, want %v", id, got[key(id)], v)
			}
		}
	}
	set(1, 10, 9)
	set(2, 20, 1)
	check(map[int]float64{1: 10}, 20)
	now = now.Add(time.Minute)
	set(2, 30, 10)
	check(map[int]float64{1: 10, 2: 30}, 30) // The 10 calls before it had a series are with the others.
	now = now.Add(time.Minute)
	set(3, 5, 11)
	set(2, 31, 10)
	check(map[int]float64{1: 10, 2: 31}, 35) // There is no room for a third.
	now = now.Add(59 * time.Minute)
	set(3, 6, 12)
	check(map[int]float64{2: 31, 3: 6}, 36) // The first has not been the first for an hour.
	now = now.Add(time.Minute)
	set(1, 11, 9)
	check(map[int]float64{3: 6}, 37)

	// The server forgets statement 2, then everything.
	delete(f.counters, key(2))
	check(map[int]float64{3: 6}, 37)
	f.counters = make(map[statementKey]numbers)
	set(4, 2, 1)
	got := f.read(t, s)
	if got[other] < 37 {
		t.Errorf("the others went down to %v", got[other])
	}
}

func TestPlainStatement(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT * FROM t WHERE a = $1 AND b IN ($2,  $3)":        "SELECT * FROM t WHERE a = $1 AND b IN ($2, $3)",
		"select  /* trace: abc123 */ 1 -- note\n from \"my t\"":  `select ? from "my t"`,
		"ALTER ROLE app PASSWORD 'c4n4ry'":                       "ALTER ROLE",
		"ALTER ROLE app PASSWORD E'c4n\\'4ry'":                   "ALTER ROLE",
		"SET SESSION my.key = 'c4n4ry'":                          "SET SESSION",
		"CALL pay('c4n4ry', 42)":                                 "CALL pay",
		"insert into t values ('c4n4ry', $$c4n4ry$$, 1.5e3, $1)": "insert into t values (?, ?, ?, $1)",
		"SELECT 'c4n4ry":                                         "SELECT ?",
		"COPY t FROM PROGRAM 'curl c4n4ry'":                      "COPY t FROM PROGRAM ?",
		"BEGIN":                                                  "BEGIN",
		"":                                                       "",
		"SELECT " + strings.Repeat("ä", 200):                     "SELECT " + strings.Repeat("ä", 112) + "…",
	} {
		if got := plainStatement(in); got != want {
			t.Errorf("plainStatement(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"SELECT 'a''b', E'\\'', $$x$$, $a$ $b$ $a$, \"q\"\"\", /* /* */ */ 1.5 -- c\n;$1", "'", "$", "/*", "U&'x'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		list, _ := tokens(sql)
		at := 0
		for _, tok := range list {
			if tok.from < at || tok.text == "" || sql[tok.from:tok.from+len(tok.text)] != tok.text {
				t.Fatalf("token %+v after %d in %q", tok, at, sql)
			}
			at = tok.from + len(tok.text)
		}
		plain := plainStatement(sql)
		if n := len([]rune(plain)); n > longestText {
			t.Fatalf("%d characters", n)
		}
		if strings.Contains(plain, "'") && !strings.Contains(plain, `"`) {
			t.Fatalf("a constant is left in %q", plain)
		}
	})
}
