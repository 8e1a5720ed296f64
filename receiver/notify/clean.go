package notify

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/chronoops/chronoops/receiver"
)

// Bounds of a notice in runes and entries: a page must be read on a phone and fit into every provider's limits.
const (
	maxTitle    = 120 // Slack's header takes 150 with its prefix
	maxSummary  = 1000
	maxFacts    = 10 // Slack shows no more in one section
	maxFactName = 60
	maxFact     = 300
	maxLinks    = 5
	maxLinkText = 60
	maxURL      = 1000
	maxLabels   = 20
	maxLabel    = 200
	maxTimeline = 10
	maxEntry    = 200
)

// bounded returns a copy of a notice with every text cut, without control characters and fit for plain text.
func bounded(n receiver.Notice) receiver.Notice {
	n.ID = line(n.ID, maxLabel)
	n.Kind = receiver.NoticeKind(line(string(n.Kind), 20))
	n.Title = line(n.Title, maxTitle)
	n.Summary = paragraph(n.Summary, maxSummary)
	facts := make([]receiver.Fact, 0, len(n.Facts))
	for _, f := range n.Facts[:min(len(n.Facts), maxFacts)] {
		facts = append(facts, receiver.Fact{Name: line(f.Name, maxFactName), Value: line(f.Value, maxFact)})
	}
	n.Facts = facts
	var links []receiver.Link
	for _, l := range n.Links {
		if safe := webURL(l.URL); safe != "" && len(links) < maxLinks {
			links = append(links, receiver.Link{Text: line(l.Text, maxLinkText), URL: safe})
		}
	}
	n.Links = links
	labels := make(map[string]string, len(n.Labels))
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		if len(labels) < maxLabels {
			labels[line(name, maxLabel)] = line(n.Labels[name], maxLabel)
		}
	}
	n.Labels = labels
	entries := make([]string, 0, maxTimeline)
	for _, e := range n.Timeline[max(0, len(n.Timeline)-maxTimeline):] {
		entries = append(entries, line(e, maxEntry))
	}
	n.Timeline = entries
	return n
}

// webURL returns a http or https URL in a form without spaces, quotes or brackets, or "".
func webURL(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return ""
	}
	out := u.String()
	for _, c := range []string{"<", ">", "|", `"`, "'", " ", "(", ")", "[", "]"} {
		out = strings.ReplaceAll(out, c, fmt.Sprintf("%%%02X", c[0]))
	}
	if len(out) > maxURL || strings.ContainsFunc(out, unicode.IsControl) {
		return ""
	}
	return out
}

// line makes one bounded line of any text.
func line(s string, limit int) string {
	return cut(strings.Join(strings.Fields(printable(s)), " "), limit)
}

// paragraph makes a bounded text of a few lines of any text.
func paragraph(s string, limit int) string {
	var lines []string
	for l := range strings.Lines(printable(s)) {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			lines = append(lines, l)
		}
	}
	return cut(strings.Join(lines, "\n"), limit)
}

// printable removes escape sequences, control characters and the marks that reverse the direction of text; newlines
// stay.
func printable(s string) string {
	if len(s) > 64<<10 {
		s = s[:64<<10]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = escapeSequence.ReplaceAllString(s, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == '\uFEFF', r >= 0xE0000 && r <= 0xE007F:
			return -1
		}
		return r
	}, s)
}

func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}

var (
	escapeSequence = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])`)
	// mention is what chat programs turn into a call for everybody's attention.
	mention = regexp.MustCompile(`(?i)@(channel|here|everyone|all|group)\b`)
)

// harmless returns what makes a text inert in the markup of one kind of channel.
func harmless(kind string) func(string) string {
	const gap = "\u200b" // invisible; keeps a mention from being one
	inert := func(s string) string { return mention.ReplaceAllString(s, "@"+gap+"$1") }
	switch kind {
	case kindSlackBot, "slack", "mattermost", "rocketchat": // Slack's own escapes
		escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "](", "] (")
		return func(s string) string { return escape.Replace(inert(s)) }
	case "discord", "msteams", "msteamsv2", "webex", "telegram", "wechat":
		open := strings.NewReplacer("<@", "<"+gap+"@", "<#", "<"+gap+"#", "<!", "<"+gap+"!", "](", "] (")
		return func(s string) string { return open.Replace(inert(s)) }
	}
	return func(s string) string { return s } // structured data and email, whose template escapes
}
