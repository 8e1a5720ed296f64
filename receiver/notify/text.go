package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// subject is a bounded notice in one line.
func subject(n receiver.Notice) string {
	var b strings.Builder
	if n.Kind != receiver.NoticeTest {
		fmt.Fprintf(&b, "[%s] ", n.Priority)
	}
	b.WriteString(strings.ToUpper(string(n.Kind)) + ": " + n.Title)
	if n.Repeated {
		b.WriteString(" (repeat)")
	}
	return b.String()
}

const repeatedText = "This page may have reached you already: its first sending was not confirmed."

// body is a bounded notice as plain text, without its subject.
func body(n receiver.Notice) string {
	var b strings.Builder
	part := func(text string) {
		if text == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(text + "\n")
	}
	if n.Repeated {
		part(repeatedText)
	}
	part(n.Summary)
	part(joinLines(n.Facts, func(f receiver.Fact) string { return f.Name + ": " + f.Value }))
	part(joinLines(n.Timeline, func(e string) string { return "- " + e }))
	part(joinLines(n.Links, func(l receiver.Link) string { return l.Text + ": " + l.URL }))
	part(origin(n))
	return strings.TrimSuffix(b.String(), "\n")
}

// origin says what the notice belongs to: incident, level, duration, labels, page.
func origin(n receiver.Notice) string {
	var parts []string
	if n.Incident != 0 {
		parts = append(parts, fmt.Sprintf("incident %d", n.Incident))
	}
	if n.Level > 0 {
		parts = append(parts, fmt.Sprintf("level %d", n.Level))
	}
	if !n.Since.IsZero() {
		since := "since " + n.Since.UTC().Format("2006-01-02 15:04:05 UTC")
		if d := n.Now.Sub(n.Since); d >= time.Second {
			since += fmt.Sprintf(" (%s)", d.Round(time.Second))
		}
		parts = append(parts, since)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		parts = append(parts, name+"="+n.Labels[name])
	}
	if n.ID != "" {
		parts = append(parts, "page "+n.ID)
	}
	return strings.Join(parts, " · ")
}

func joinLines[T any](list []T, text func(T) string) string {
	lines := make([]string, 0, len(list))
	for _, e := range list {
		lines = append(lines, text(e))
	}
	return strings.Join(lines, "\n")
}
