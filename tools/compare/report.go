package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is all that was measured.
type report struct {
	Machine  machine   `json:"machine"`
	Scrapes  int       `json:"scrapes"`
	Contests []Contest `json:"contests"`
}

type machine struct {
	Time   time.Time `json:"time"`
	CPU    string    `json:"cpu"`
	CPUs   int       `json:"cpus"`
	Kernel string    `json:"kernel"`
}

func thisMachine() machine {
	m := machine{Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), CPU: runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// metric is a line of a contest's table.
type metric struct {
	name, title string
	format      func(v float64) string
	ratio       ratioUse
}

// ratioUse says where the ratio of a metric is shown.
type ratioUse int

const (
	nowhere ratioUse = iota // it would be one of two noises
	below                   // in the table of the contest
	above                   // in the first table too
)

var metrics = []metric{
	{"cpu", "CPU, user and system", milliseconds, above},
	{"cpu_gross", "… with what runs in the background", milliseconds, below},
	{"cpu_idle", "… of which when nobody asks", milliseconds, nowhere},
	{"cpu_rested", "CPU of one scrape after a minute's rest", milliseconds, below},
	{"wall", "duration, median", milliseconds, above},
	{"opens", "files opened", count, above},
	{"syscalls", "system calls", count, above},
	{"rss", "RSS", mebibytes, above},
	{"anonymous", "anonymous memory", mebibytes, above},
	{"bytes", "bytes, plain", count, below},
	{"bytes_gzip", "bytes, gzip", count, above},
	{"families", "families", count, below},
	{"series", "series", count, below},
	{"postgres_connections", "connections to PostgreSQL", fraction, below},
	{"postgres_turns", "round trips to PostgreSQL", fraction, below},
	{"postgres_statements", "statements", fraction, below},
	{"postgres_server", "time of PostgreSQL", milliseconds, below},
	{"redis_connections", "connections to Redis", fraction, below},
	{"redis_turns", "round trips to Redis", fraction, below},
	{"redis_server", "CPU of Redis", milliseconds, below},
	{"api_connections", "connections to the API", fraction, below},
	{"api_turns", "requests to the API", fraction, below},
}

func milliseconds(v float64) string { return fmt.Sprintf("%.2f ms", v*1000) }
func mebibytes(v float64) string    { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
func count(v float64) string        { return fmt.Sprintf("%.0f", v) }
func fraction(v float64) string     { return fmt.Sprintf("%.2f", v) }

const method = `How the rows were made:

- The programs of a contest run at the same time on the same target and are scraped in turn, theirs, ours, theirs, ours, over a kept
  HTTP connection with the headers of Prometheus 3 and gzip, after %d scrapes that do not count.
- CPU is user and system time of the process (its POSIX CPU clock), by the number of scrapes; for as long afterwards, %s at most, nobody asks, and
  what is used then is taken off. The duration is the client's, from the request to the last byte.
- Counted scrapes follow each other at once, so that few of them do what a program does only once a minute: chronoops looks for devices that came or
  went, and reads again what hardly changes. One scrape after a minute's rest does all of it, with caches that have grown cold.
- RSS and anonymous memory are those of smaps_rollup after the counted scrapes. Where several programs stand on one side, figures are sums, and a page that
  two of them share counts twice.
- System calls are counted by strace over further scrapes that count for nothing else; those of the HTTP connection are among them.
- Connections and round trips are counted by a proxy between the programs and the server; statements and time by pg_stat_statements.
- Families are compared by name, labels and type as the plain text format has them. Ratios are ours by theirs.
- Environment variables that change Go's runtime, or name targets, are taken out for all.
`

func (r *report) markdown() string {
	var b bytes.Buffer
	m := r.Machine
	fmt.Fprintf(&b, "# chronoops beside the exporters\n\n%s, %d × %s, Linux %s\n\n", m.Time.Format("2006-01-02 15:04 MST"), m.CPUs, m.CPU, m.Kernel)
	b.WriteString("| ours by theirs |")
	rule := []byte("| --- |")
	for _, metric := range metrics {
		if metric.ratio == above {
			fmt.Fprintf(&b, " %s |", metric.title)
			rule = append(rule, " ---: |"...)
		}
	}
	fmt.Fprintf(&b, " families missing |\n%s ---: |\n", rule)
	for _, c := range r.Contests {
		fmt.Fprintf(&b, "| %s |", c.Name)
		for _, metric := range metrics {
			if metric.ratio == above {
				fmt.Fprintf(&b, " %s |", c.ratio(metric.name))
			}
		}
		fmt.Fprintf(&b, " %d of %.0f |\n", len(c.Missing), c.Theirs.Values["families"])
	}
	for _, c := range r.Contests {
		c.markdown(&b)
	}
	b.WriteString("\n" + fmt.Sprintf(method, warmUp, idleAtMost))
	return b.String()
}

// shown is how many names of those that differ in the same way are shown; the JSON has all.
const shown = 12

func (c *Contest) ratio(name string) string {
	if v, ok := c.Ratios[name]; ok {
		return fmt.Sprintf("%.2f", v)
	}
	return "–"
}

func (c *Contest) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## %s\n\n%s %d scrapes.\n\n", c.Name, c.About, c.Scrapes)
	fmt.Fprintf(b, "| per scrape | %s | %s | ours by theirs |\n| --- | ---: | ---: | ---: |\n",
		strings.Join(c.Theirs.Programs, ", "), strings.Join(c.Ours.Programs, ", "))
	for _, m := range metrics {
		t, theirs := c.Theirs.Values[m.name]
		o, ours := c.Ours.Values[m.name]
		if !theirs && !ours {
			continue
		}
		cell := func(v float64, ok bool) string {
			if !ok {
				return "–"
			}
			return m.format(v)
		}
		ratio := "–"
		if m.ratio != nowhere {
			ratio = c.ratio(m.name)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", m.title, cell(t, theirs), cell(o, ours), ratio)
	}
	for _, list := range []struct {
		title string
		names []string
	}{
		{"Families that only they have", c.Missing},
		{"Families that only we have", c.Own},
	} {
		if len(list.names) > 0 {
			fmt.Fprintf(b, "\n%s (%d): `%s`\n", list.title, len(list.names), strings.Join(list.names, "`, `"))
		}
	}
	for _, d := range alike(c.Different) {
		names := d.names
		if len(names) > shown {
			names = append(slices.Clone(names[:shown]), fmt.Sprintf("… %d more", len(names)-shown))
		}
		fmt.Fprintf(b, "\nFamilies that we have %s (%d): %s\n", d.what, len(d.names), strings.Join(names, ", "))
	}
	for _, notes := range [][]string{c.Theirs.Notes, c.Ours.Notes} {
		for _, n := range notes {
			fmt.Fprintf(b, "\nNot measured: %s\n", n)
		}
	}
}

// write writes both forms to dir, and shows the one for people.
func (r *report) write(dir string, show io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := r.markdown()
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for name, b := range map[string][]byte{"compare.md": []byte(text), "compare.json": append(data, '\n')} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	_, err = io.WriteString(show, text)
	return err
}
