package scenario

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Who is where a line of the timeline comes from.
type Who string

// Those who appear in the timeline.
const (
	Demo         Who = "demo"
	Fault        Who = "fault"
	Prometheus   Who = "Prometheus"
	Alertmanager Who = "Alertmanager"
	Chronoops    Who = "chronoops"
	People       Who = "people"
)

// colors are those of a terminal, by who speaks.
var colors = map[Who]string{
	Demo: "1", Fault: "31", Prometheus: "33", Alertmanager: "35", Chronoops: "36", People: "32",
}

// Timeline prints what happens, as it happens.
type Timeline struct {
	mu    sync.Mutex
	out   io.Writer
	color bool
	start time.Time
	width int
}

// NewTimeline returns a timeline that begins now. With color it speaks to a terminal of that many columns, and cuts its lines
// there; without, every line is whole.
func NewTimeline(out io.Writer, color bool, columns int) *Timeline {
	return &Timeline{out: out, color: color, start: time.Now(), width: columns}
}

// Elapsed is the time since the beginning.
func (t *Timeline) Elapsed() time.Duration { return time.Since(t.start) }

// Title begins a part.
func (t *Timeline) Title(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(t.out, "\n%s\n", text)
}

// Say prints a line for each line of the text.
func (t *Timeline) Say(who Who, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := fmt.Sprintf("%6.1fs", time.Since(t.start).Seconds())
	for line := range strings.Lines(text) {
		line = printable(strings.TrimRight(line, "\n"))
		const before = len("  12.3s  Alertmanager  ")
		if t.color && t.width > before+20 {
			if runes := []rune(line); len(runes) > t.width-before {
				line = string(runes[:t.width-before-1]) + "…"
			}
		}
		name := fmt.Sprintf("%-12s", who)
		if t.color {
			name = "\x1b[" + colors[who] + "m" + name + "\x1b[0m"
		}
		fmt.Fprintf(t.out, "%s  %s  %s\n", elapsed, name, line)
		elapsed = strings.Repeat(" ", len(elapsed))
	}
}

// printable keeps what others say from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
