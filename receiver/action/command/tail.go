package command

import (
	"fmt"
	"strings"
	"sync"

	"github.com/chronoops/chronoops/receiver/action"
)

// The bounds of what is kept of a program's output.
const (
	maxOutput = 8 << 10 // bytes
	maxLines  = 50
)

// tail keeps the end of what is written to it.
type tail struct {
	mu    sync.Mutex
	kept  []byte
	total int64
	note  string
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(b))
	t.kept = append(t.kept, b[max(0, len(b)-maxOutput):]...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

// lines returns the end of the output as printable lines.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ReplaceAll(strings.ToValidUTF8(string(t.kept), "\uFFFD"), "\t", "    ")
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimRight(l, "\r\n "); l != "" {
			lines = append(lines, l)
		}
	}
	cut := max(0, len(lines)-maxLines)
	lines = action.Lines(lines[cut:])
	if cut > 0 || t.total > int64(len(t.kept)) {
		lines = append([]string{fmt.Sprintf("… (the end of %d bytes of output)", t.total)}, lines...)
	}
	if t.note != "" {
		lines = append(lines, t.note)
	}
	return lines
}

// last returns the last line as the end of an error message.
func (t *tail) last() string {
	lines := t.lines()
	if len(lines) == 0 {
		return ""
	}
	return ": " + lines[len(lines)-1]
}
