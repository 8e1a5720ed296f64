package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCursor(t *testing.T) {
	c := cursor{"*5\r\n$3\r\na\r\n\r\n:7\r\n*-1\r\n*2\r\n+x\r\n$-1\r\n-ERR no\r\n"}
	var got []string
	c.elements(func(one cursor) {
		text := one.text()
		got = append(got, text)
	})
	if diff := cmp.Diff([]string{"a\r\n", "7", "", "", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	pairs := cursor{"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n"}
	var names []string
	pairs.pairs(func(name string, value cursor) { names = append(names, name+value.rest) })
	if diff := cmp.Diff([]string{"a:1\r\n", "b*1\r\n:2\r\n"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := failure("-NOPERM nothing\r\n"); err == nil || err.Error() != "NOPERM nothing" {
		t.Errorf("failure is %v", err)
	}
}

func TestWhole(t *testing.T) {
	for _, reply := range []string{"+OK\r\n", "$3\r\nabc\r\n", "*2\r\n:1\r\n*1\r\n$0\r\n\r\n", "*0\r\n", "$-1\r\n", "-ERR x\r\n"} {
		if !whole(reply) {
			t.Errorf("%q is whole", reply)
		}
		for i := range reply {
			if whole(reply[:i]) {
				t.Errorf("%q is not whole", reply[:i])
			}
		}
	}
}

// FuzzCursor holds that no reply makes the cursor hang, panic, or find what is not there.
func FuzzCursor(f *testing.F) {
	f.Add("*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n")
	f.Add("*99999999999\r\n")
	f.Add("*999999999\r\n*999999999\r\n")
	f.Add("$9223372036854775807\r\nx\r\n")
	f.Add("$-2\r\n*0\r\n\r\n+\r\n")
	f.Fuzz(func(t *testing.T, reply string) {
		c := cursor{reply}
		for c.rest != "" {
			before := c.rest
			one := c.take()
			if len(c.rest) >= len(before) {
				t.Fatal("no progress")
			}
			if !strings.HasPrefix(before, one.rest) {
				t.Fatal("a value is no part of the reply")
			}
			walk(t, one, 0)
		}
	})
}

func walk(t *testing.T, c cursor, depth int) {
	if depth > 20 {
		return
	}
	whole := c.rest
	n := 0
	c.elements(func(one cursor) {
		if n++; n > len(whole) {
			t.Fatal("more values than bytes")
		}
		walk(t, one, depth+1)
	})
	c = cursor{whole}
	c.pairs(func(string, cursor) {})
	c = cursor{whole}
	c.number()
}

func TestBound(t *testing.T) {
	for reply, refused := range map[string]bool{
		"$3\r\nabc\r\n+OK\r\n": false, "$-1\r\n": false, "$\r\n": true, "$x\r\n": true, "$70000000\r\n": true,
		"*9\r\n" + strings.Repeat(":1\r\n", mostLines): true, strings.Repeat(":1\r\n", mostLines): false,
		"$000000000000000000000000000000070000000\r\n": true, "+$70000000\r\n": false, "$12\r\n$70000000\r\n\r\n": false,
	} {
		if got := new(bound).check([]byte(reply)) != nil; got != refused {
			t.Errorf("%.40q: refused %v", reply, got)
		}
	}
}

// FuzzBound holds that it does not matter how a reply is cut into packets.
func FuzzBound(f *testing.F) {
	f.Add("$3\r\nabc\r\n$99999999999\r\n", 1)
	f.Add("*2\r\n$-1\r\n$10\r\n$99999999999\r\n", 3)
	f.Add("$000000000000000000000000000000099999999999\r\n", 5)
	f.Fuzz(func(t *testing.T, reply string, size int) {
		var whole, parts bound
		want := whole.check([]byte(reply)) != nil
		got := false
		for rest := []byte(reply); len(rest) > 0 && !got; {
			n := min(len(rest), max(1, size%64))
			got = parts.check(rest[:n]) != nil
			rest = rest[n:]
		}
		if got != want {
			t.Errorf("in parts of %d: refused %v, want %v", size, got, want)
		}
	})
}
