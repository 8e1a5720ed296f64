package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/chronoops/chronoops/receiver/api"
)

// The exit codes of every command.
const (
	exitFine   = 0
	exitFailed = 1 // findings or failure
	exitUsage  = 2
)

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// commands are what each subcommand does, by the full name that the parser returns; the result is the exit code.
type commands map[string]func(ctx context.Context) int

// table writes aligned columns. Cells are made harmless: labels may hold what a terminal would obey.
func table(w io.Writer, header []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		var line strings.Builder
		for n, cell := range row {
			if n > 0 {
				line.WriteByte('\t')
			}
			line.WriteString(orDash(cell))
		}
		_, _ = fmt.Fprintln(tw, line.String())
	}
	_ = tw.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return api.Visible(s)
}

// printf writes text whose string arguments are made harmless.
func printf(w io.Writer, format string, args ...any) {
	for n, a := range args {
		switch v := a.(type) {
		case string:
			args[n] = api.Visible(v)
		case error:
			args[n] = api.Visible(v.Error())
		}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}

// when writes a time of the server in the zone of the person who reads it.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// writeJSON indents an answer. What a terminal would obey is escaped in it too, which keeps it the same JSON.
func writeJSON(w io.Writer, raw json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("indent answer: %w", err)
	}
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := fmt.Fprintln(w, out.String())
	return err
}

// confirm asks a person; anything but yes, and the end of the input, is no.
func (c console) confirm(question string) bool {
	printf(c.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		printf(c.err, "\n")
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
