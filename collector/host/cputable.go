package host

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

// cpuTable is a file with a column for each CPU: /proc/interrupts or /proc/softirqs (fs/proc).
type cpuTable struct {
	heading []byte
	cpus    []int // of the columns; in /proc/interrupts those that are offline have none
	values  []uint64
}

// parse calls yield for each line that has a number for each CPU, with what stands before the colon and after the
// numbers. The table's memory is used again.
func (t *cpuTable) parse(b []byte, yield func(name, rest []byte, values []uint64)) error {
	heading, b := cutLine(b)
	if err := t.parseHeading(heading); err != nil {
		return err
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		n := 0
		for n < len(t.values) {
			field, after := cutField(rest)
			v, err := parseUint(field)
			if err != nil {
				break
			}
			t.values[n], rest = v, after
			n++
		}
		if n == len(t.values) {
			yield(bytes.TrimSpace(name), bytes.TrimSpace(rest), t.values)
		}
	}
	return nil
}

func (t *cpuTable) parseHeading(heading []byte) error {
	if len(t.cpus) > 0 && bytes.Equal(heading, t.heading) {
		return nil
	}
	t.heading, t.cpus, t.values = append(t.heading[:0], heading...), t.cpus[:0], t.values[:0]
	for field, rest := cutField(heading); field != nil; field, rest = cutField(rest) {
		id, err := parseUint(bytes.TrimPrefix(field, []byte("CPU")))
		if err != nil || id >= maxCPU {
			t.cpus = nil
			return fmt.Errorf("%q is not a CPU", field)
		}
		t.cpus, t.values = append(t.cpus, int(id)), append(t.values, 0)
	}
	if len(t.cpus) == 0 {
		return errors.New("no CPUs")
	}
	return nil
}

// tableReader records a cpuTable. It holds the series, of which a large machine has many thousands.
type tableReader struct {
	s      *sources
	f      *file
	family *collector.Family // with the label cpu first
	zeros  bool              // record what never happened
	labels func(name, rest string) (values []string, ok bool)

	table   cpuTable
	w       *collector.Writer // that the lines belong to
	heading []byte            // that the lines belong to
	lines   map[string]*tableLine
}

// tableLine is a line of the table.
type tableLine struct {
	rest   string
	labels []string
	skip   bool
	series []*collector.Series // by column, made when first recorded
	round  uint64              // the collection that saw it last
}

func (r *tableReader) record(w *collector.Writer) error {
	b, err := r.s.content(r.f)
	if err != nil {
		return err
	}
	if heading, _ := cutLine(b); r.w != w || !bytes.Equal(heading, r.heading) {
		r.w, r.heading, r.lines = w, bytes.Clone(heading), make(map[string]*tableLine)
	}
	if err := r.table.parse(b, r.recordLine); err != nil {
		return fmt.Errorf("%s: %w", r.f.path, err)
	}
	for name, line := range r.lines {
		if line.round != r.s.round {
			delete(r.lines, name)
		}
	}
	return nil
}

func (r *tableReader) recordLine(name, rest []byte, values []uint64) {
	line := r.lines[string(name)]
	if line == nil || line.rest != string(rest) {
		line = &tableLine{rest: string(rest), series: make([]*collector.Series, len(values))}
		labels, ok := r.labels(string(name), line.rest)
		line.labels, line.skip = append([]string{""}, labels...), !ok
		r.lines[string(name)] = line
	}
	line.round = r.s.round
	if line.skip {
		return
	}
	for i, v := range values {
		if v == 0 && !r.zeros {
			continue
		}
		if line.series[i] == nil {
			line.labels[0] = strconv.Itoa(r.table.cpus[i])
			line.series[i] = r.w.Series(r.family, line.labels...)
		}
		line.series[i].Set(float64(v))
	}
}
