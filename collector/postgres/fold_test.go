package postgres

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

func TestFolder(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	f := newFolder(2, time.Hour)
	check := func(in, want string) {
		t.Helper()
		if got := f.name(in, now); got != want {
			t.Errorf("name(%q) = %q, want %q", in, got, want)
		}
	}
	check("", "")
	check("a", "a")
	check("b", "b")
	check("c", "other")
	now = now.Add(time.Hour)
	check("a", "a")
	check("c", "other") // b was seen an hour ago, not longer
	now = now.Add(time.Second)
	check("c", "c") // takes b's place
	check("b", "other")
	check("a", "a")
}

// TestTenThousandNames holds the number of series whatever clients call themselves.
func TestTenThousandNames(t *testing.T) {
	state := newViewState(&activityView, 15, nil)
	f := newFolder(50, time.Hour)
	around := &surroundings{intern: &interner{}, fold: func(s string) string { return f.name(s, time.Unix(0, 0)) }}
	const rows = 10_000
	for i := range rows {
		name := fmt.Sprintf("app-%d", i)
		row := [][]byte{
			[]byte(name), []byte("client backend"), []byte("db"), []byte("idle"), []byte("u"), nil, nil, []byte("1"),
			[]byte(strconv.Itoa(i)),
		}
		if err := state.row(row, around); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.done(time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	var series int
	var sum, oldest float64
	for i, s := range state.last.list {
		if s.absorbed {
			continue
		}
		series++
		if s.largest {
			oldest = max(oldest, s.value)
		} else {
			sum += s.value
		}
		if n := len(state.last.values(i)); n != 7 {
			t.Fatalf("%d labels", n)
		}
	}
	if series != 2*51 || sum != rows || oldest != rows-1 {
		t.Errorf("%d series, %v sessions, oldest %v", series, sum, oldest)
	}
}
