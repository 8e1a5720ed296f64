package api

import (
	"strings"
	"testing"
)

const combinedHead = `192.0.2.7 - - [25/Oct/2025:18:23:18 +0800] "GET /api/v1/stocks/000001.SZ/data?token=x HTTP/1.1" 200 1234`

func TestParseCombined(t *testing.T) {
	get := entry{method: []byte("GET"), path: []byte("/api/v1/stocks/000001.SZ/data?token=x"), status: 200, size: 1234}
	timed := func(e entry, seconds float64) entry { e.seconds, e.timed = seconds, true; return e }
	for _, tt := range []struct {
		name, line string
		want       entry
	}{
		{"common", combinedHead, get},
		{"combined", combinedHead + ` "-" "curl/8"`, get},
		{"with forwarded-for", combinedHead + ` "-" "curl/8" "203.0.113.9, 10.0.0.1"`, get},
		{"timed", combinedHead + ` "-" "curl/8" "-" rt=0.123 uct="0.001" uht="0.120" urt="0.121"`, timed(get, 0.123)},
		{"no upstream", combinedHead + ` "-" "curl/8" "-" rt=0.000 uct="-" uht="-" urt="-"`, timed(get, 0)},
		{"upstream lists", combinedHead + ` "-" "curl/8" "-" rt=0.200 uct="0.001, 0.002" uht="0.1 : 0.2" urt="0.001, 0.120"`, timed(get, 0.2)},
		{"upstream time alone", combinedHead + ` "-" "curl/8" "-" urt="0.001, 0.120 : -"`, timed(get, 0.121)},
		{"time not a number", combinedHead + ` "-" "curl/8" "-" rt=NaN`, get},
		{"time negative", combinedHead + ` "-" "curl/8" "-" rt=-1`, get},
		{"times in a user agent do not count", combinedHead + ` "-" "rt=9 urt=9" "rt=9"`, get},
		{"fields without a key", combinedHead + ` "-" "curl/8" abc 17 rt=1.5`, timed(get, 1.5)},
		{"quote left open", combinedHead + ` "-" "curl/8`, get},
		{"apache's escaped quote", combinedHead + ` "-" "a \" rt=7 b" rt=0.5`, timed(get, 0.5)},
		{"user with brackets and spaces", `::1 - a] b [c [25/Oct/2025:18:23:18 +0800] "HEAD / HTTP/2.0" 304 0`, entry{method: []byte("HEAD"), path: []byte("/"), status: 304}},
		{"size unknown", `h - - [t] "GET / HTTP/1.0" 200 -`, entry{method: []byte("GET"), path: []byte("/"), status: 200, size: -1}},
		{"TLS on a plain port", `h - - [t] "\x16\x03\x01\x02\x00" 400 157 "-" "-"`, entry{status: 400, size: 157}},
		{"timeout before a request", `h - - [t] "-" 408 0 "-" "-"`, entry{status: 408}},
		{"empty request", `h - - [t] "" 400 0 "-" "-"`, entry{status: 400}},
		{"HTTP/0.9", `h - - [t] "GET /x" 200 1`, entry{method: []byte("GET"), path: []byte("/x"), status: 200, size: 1}},
		{"path with spaces", `h - - [t] "GET /a b HTTP/1.1" 200 1`, entry{method: []byte("GET"), path: []byte("/a b"), status: 200, size: 1}},
		{"status out of bounds", `h - - [t] "GET / HTTP/1.1" 000 1`, entry{method: []byte("GET"), path: []byte("/"), size: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e entry
			if !parseCombined([]byte(tt.line), &e) {
				t.Fatal("not parsed")
			}
			if string(e.method) != string(tt.want.method) || string(e.path) != string(tt.want.path) ||
				e.status != tt.want.status || e.size != tt.want.size || e.seconds != tt.want.seconds || e.timed != tt.want.timed {
				t.Errorf("got %+v, want %+v", e, tt.want)
			}
		})
	}
}

func TestParseCombinedRefuses(t *testing.T) {
	for _, line := range []string{
		"", " ", "garbage", `INFO:     127.0.0.1:5 - "GET /health HTTP/1.1" 200 OK`,
		`2025-10-25 18:23:18,123 - app.main - INFO - text`,
		`h - - [t] "GET / HTTP/1.1"`, `h - - [t] "GET / HTTP/1.1" 2x0 1`, `h - - [t] "GET / HTTP/1.1" 20 1`,
		`h - - [t] "GET / HTTP/1.1" 200 x`, `h - - [t] "GET / HTTP/1.1" 200`, `h - - [t] "GET / HTTP/1.1\" 200 1`,
		`h - - t] "GET / HTTP/1.1" 200 1`, `h - - [t] "`, strings.Repeat(`[] "`, 1000),
	} {
		var e entry
		if parseCombined([]byte(line), &e) {
			t.Errorf("%.60q was parsed to %+v", line, e)
		}
	}
}

func TestParseSeconds(t *testing.T) {
	for text, want := range map[string]float64{"0.000": 0, "1": 1, "0.123": 0.123, "12.5": 12.5, "0.1234567891234": 0.123456789} {
		if got, ok := parseSeconds([]byte(text)); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", ".", "1.", ".5", "-1", "1e3", "Inf", "NaN", "0x1", "1.-2", "9999999999999999999"} {
		if got, ok := parseSeconds([]byte(text)); ok {
			t.Errorf("%q: got %v, want no time", text, got)
		}
	}
}

func FuzzParseCombined(f *testing.F) {
	f.Add([]byte(combinedHead + ` "-" "curl/8" "-" rt=0.200 uct="0.001, 0.002" uht="-" urt="0.001, 0.120"`))
	f.Add([]byte(`h - - [t] "\x16\x03" 400 - "`))
	f.Add([]byte("\xff\xfe[] \"\\"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var e entry
		if !parseCombined(line, &e) {
			return
		}
		if e.status != 0 && (e.status < 100 || e.status > 599) || e.size < -1 || e.seconds < 0 || e.seconds != e.seconds {
			t.Errorf("%+v", e)
		}
		if (e.method == nil) != (e.path == nil) {
			t.Errorf("method %q without path %q or the other way", e.method, e.path)
		}
	})
}
