package action

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testSpec = Spec{Name: "test.act", Params: []Param{
	{Name: "argv", Kind: Strings, Template: true, Doc: "what to run"},
	{Name: "patterns", Kind: Map, Doc: "guards"},
	{Name: "unit", Kind: String, Pattern: `[a-z]+\.service`, Doc: "the unit"},
	{Name: "age", Kind: Duration, Required: true, Doc: "how old"},
	{Name: "size", Kind: Bytes, Default: "1GB", Doc: "how large"},
	{Name: "n", Kind: Int, Default: 3, Doc: "how many"},
	{Name: "on", Kind: Bool, Doc: "whether"},
	{Name: "below", Kind: Share, Default: 0.8, Doc: "how full"},
}}

func TestResolve(t *testing.T) {
	with := map[string]any{
		"argv":     []any{"/bin/x", "--at={{ .Labels.mountpoint }}", "{{.Labels.job}}", "plain"},
		"patterns": map[string]any{"mountpoint": "/[a-z/]*", "job": "[a-z]+"},
		"age":      "7d", "size": "5MiB", "n": 7, "on": true, "below": "60%", "unit": "web.service",
	}
	p, err := testSpec.Resolve(with, map[string]string{"mountpoint": "/var/log", "job": "web", "other": "$(x)"})
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range []bool{false, true} {
		if stored { // a plan keeps its parameters as JSON
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			p = nil
			if err := json.Unmarshal(b, &p); err != nil {
				t.Fatal(err)
			}
		}
		got := []any{
			p.Strings("argv"), p.Map("patterns"), p.String("unit"), p.Duration("age"), p.Bytes("size"), p.Int("n"),
			p.Bool("on"), p.Share("below"),
		}
		want := []any{
			[]string{"/bin/x", "--at=/var/log", "web", "plain"},
			map[string]string{"mountpoint": "/[a-z/]*", "job": "[a-z]+"},
			"web.service", 7 * 24 * time.Hour, int64(5 << 20), 7, true, 0.6,
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("stored %v (-want +got):\n%s", stored, d)
		}
	}
}

func TestResolveFillsDefaultsOnly(t *testing.T) {
	p, err := testSpec.Resolve(map[string]any{"age": "1m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Params{"age": "1m", "size": "1GB", "n": 3, "below": 0.8}, p); d != "" {
		t.Error(d)
	}
}

// Invariant 7: only what a pattern allows of a label reaches an argument, and never the program.
func TestInvariant7ResolveRefuses(t *testing.T) {
	argv := func(args ...any) map[string]any {
		return map[string]any{"age": "1m", "argv": append([]any{"/bin/x"}, args...), "patterns": map[string]any{"l": ".+"}}
	}
	labels := func(v string) map[string]string { return map[string]string{"l": v} }
	for name, tc := range map[string]struct {
		with   map[string]any
		labels map[string]string
		want   string
	}{
		"unknown parameter":     {map[string]any{"age": "1m", "agee": "1m"}, nil, `unknown parameter "agee": want one of argv, patterns`},
		"missing parameter":     {map[string]any{}, nil, `parameter "age" is missing: how old`},
		"bad duration":          {map[string]any{"age": "soon"}, nil, `"soon" is not a duration such as 30s`},
		"bare number":           {map[string]any{"age": 7}, nil, "want a duration with its unit, such as 30s, 10m or 7d, got 7"},
		"bad size":              {map[string]any{"age": "1m", "size": "much"}, nil, "is not a size"},
		"negative size":         {map[string]any{"age": "1m", "size": "-5GB"}, nil, "must be positive"},
		"huge size":             {map[string]any{"age": "1m", "size": "99999999999999GB"}, nil, "is not a size"},
		"fraction":              {map[string]any{"age": "1m", "n": 1.5}, nil, "want a whole number, got 1.5"},
		"share above one":       {map[string]any{"age": "1m", "below": 80}, nil, "must be above 0 and at most 1"},
		"share not a number":    {map[string]any{"age": "1m", "below": "NaN"}, nil, "must be above 0"},
		"pattern":               {map[string]any{"age": "1m", "unit": "web.service\nx"}, nil, "does not match"},
		"template elsewhere":    {map[string]any{"age": "1m", "unit": "{{ .Labels.l }}.service"}, nil, "templates are not allowed here"},
		"empty list":            {map[string]any{"age": "1m", "argv": []any{}}, nil, "the list is empty"},
		"empty element":         {argv(""), nil, "a value is empty"},
		"number in list":        {argv(5), nil, "quote it"},
		"NUL":                   {argv("a\x00b"), nil, "NUL byte"},
		"executable templated":  {map[string]any{"age": "1m", "argv": "{{ .Labels.l }}", "patterns": map[string]any{"l": ".+"}}, labels("x"), "may not be a template"},
		"other template":        {argv("{{ .Annotations.l }}"), labels("x"), "only {{ .Labels.name }} is allowed"},
		"function":              {argv("{{ printf .Labels.l }}"), labels("x"), "only {{ .Labels.name }} is allowed"},
		"broken template":       {argv("{{ .Labels.l"), labels("x"), "template"},
		"unguarded label":       {argv("{{ .Labels.m }}"), labels("x"), "label \"m\" has no pattern"},
		"label missing":         {argv("{{ .Labels.l }}"), nil, "missing or empty"},
		"label empty":           {argv("{{ .Labels.l }}"), labels(""), "missing or empty"},
		"label is a flag":       {argv("{{ .Labels.l }}"), labels("-rf"), "begins with '-'"},
		"label climbs":          {argv("{{ .Labels.l }}"), labels("/a/../b"), "contains '..'"},
		"label completes climb": {argv("/a/.{{ .Labels.l }}"), labels("./b"), "contains '..'"},
		"label with newline":    {argv("{{ .Labels.l }}"), labels("a\nb"), "control character"},
		"label not UTF-8":       {argv("{{ .Labels.l }}"), labels("a\xffb"), "not UTF-8"},
		"label too long":        {argv("{{ .Labels.l }}"), labels(strings.Repeat("a", 5000)), "longer than"},
		"pattern broken":        {map[string]any{"age": "1m", "argv": "/bin/x", "patterns": map[string]any{"l": "("}}, nil, `pattern of label "l"`},
		"pattern escapes":       {map[string]any{"age": "1m", "argv": []any{"/bin/x", "{{ .Labels.l }}"}, "patterns": map[string]any{"l": "a)|(.*"}}, labels("b"), `pattern of label "l"`},
		"pattern matches part":  {map[string]any{"age": "1m", "argv": []any{"/bin/x", "{{ .Labels.l }}"}, "patterns": map[string]any{"l": "a|b"}}, labels("ab"), "does not match its pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testSpec.Resolve(tc.with, tc.labels)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
			if !strings.HasPrefix(err.Error(), "test.act: ") {
				t.Errorf("error %q does not name the action", err)
			}
		})
	}
}

func TestStaticLeavesTemplates(t *testing.T) {
	with := map[string]any{"age": "1m", "argv": []any{"/bin/x", "{{ .Labels.l }}"}, "patterns": map[string]any{"l": "a"}}
	p, err := testSpec.Static(with)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"/bin/x", "{{ .Labels.l }}"}, p.Strings("argv")); d != "" {
		t.Error(d)
	}
	delete(with, "patterns")
	if err := testSpec.Check(with); err == nil {
		t.Error("a template without a pattern passed the check")
	}
}

func TestMatchTemplate(t *testing.T) {
	guards := map[string]string{"dir": "/[a-z/]*", "x": ".+", "y": "^[a-z]$"}
	for _, tc := range []struct {
		text, value string
		ok          bool
	}{
		{"--now", "--now", true},
		{"--now", "--later", false},
		{"{{ .Labels.dir }}", "/var", true},
		{"{{ .Labels.dir }}", "/Var", false},
		{"{{ .Labels.dir }}", "{{ .Labels.dir }}", true},
		{"{{ .Labels.dir }}", "", false},
		{"a.c={{ .Labels.dir }}!", "a.c=/x!", true},
		{"a.c={{ .Labels.dir }}!", "abc=/x!", false},
		{"{{ .Labels.x }}", "-rf", false},
		{"{{ .Labels.x }}", "a..b", false},
		{".{{ .Labels.x }}", "../b", false},
		{"{{ .Labels.x }}", "a\nb", false},
		{"{{ .Labels.x }}:{{ .Labels.x }}", "a:a", true},
		{"{{ .Labels.x }}:{{ .Labels.x }}", "a:b", false},
		{"x{{ .Labels.y }}", "xa", true},
		{"{{ .Labels.y }}{{ .Labels.dir }}", "a/b", true},
		{"{{ .Labels.y }}{{ .Labels.dir }}", "ab/b", false},
		{"{{ .Labels.none }}", "a", false},
	} {
		if err := MatchTemplate(tc.text, guards, tc.value); (err == nil) != tc.ok {
			t.Errorf("%q against %q: %v, want ok %v", tc.value, tc.text, err, tc.ok)
		}
	}
}

// FuzzResolve holds that whatever a label contains, each argument is the configured text with a harmless value in it.
func FuzzResolve(f *testing.F) {
	for _, seed := range [][3]string{
		{"{{ .Labels.a }}", "/[a-z/]*", "/var/log"},
		{"--x={{.Labels.a}}.{{- .Labels.a -}}", ".*", "-rf"},
		{"{{ .Labels.a }}{{ .Labels.b }}", ".", "."},
		{"{{", "(", "{{ .Labels.a }}"},
		{".{{ .Labels.a }}", "(?s).+", "./\n"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, text, pattern, value string) {
		with := map[string]any{
			"age": "1m", "argv": []any{"/bin/x", text}, "patterns": map[string]any{"a": pattern, "b": pattern},
		}
		p, err := testSpec.Resolve(with, map[string]string{"a": value, "b": value})
		if err != nil {
			return
		}
		got := p.Strings("argv")
		if len(got) != 2 || got[0] != "/bin/x" || got[1] == "" {
			t.Fatalf("argv %q from %q", got, text)
		}
		if !strings.Contains(text, "{{") {
			if got[1] != text {
				t.Fatalf("%q changed to %q without a template", text, got[1])
			}
			return
		}
		if strings.Contains(got[1], "..") && !strings.Contains(text, "..") {
			t.Fatalf("%q with %q gave %q", text, value, got[1])
		}
		if want := labelTemplate.ReplaceAllLiteralString(text, value); got[1] != want {
			t.Fatalf("got %q, want %q", got[1], want)
		}
		if strings.HasPrefix(value, "-") || strings.ContainsAny(value, "\x00\n\r") {
			t.Fatalf("label value %q was accepted", value)
		}
		// A command's allow-list must accept what Resolve made of it, when one reading of the text is possible.
		if strings.Count(text, "{{") == 1 {
			if err := MatchTemplate(text, map[string]string{"a": pattern, "b": pattern}, got[1]); err != nil {
				t.Fatalf("%q of %q: %v", got[1], text, err)
			}
		}
	})
}

func FuzzSizes(f *testing.F) {
	for _, s := range []string{"5GB", "1KiB", "0", "-1MB", "99999999999EB", "1.5GB", "80%", "0.8", "NaN", "Inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil && n <= 0 {
			t.Errorf("size %q gave %d", s, n)
		}
		if v, err := ParseShare(s); err == nil && !(v > 0 && v <= 1 && !math.IsNaN(v)) {
			t.Errorf("share %q gave %v", s, v)
		}
	})
}
