package notify

import (
	"strings"

	"github.com/slack-go/slack"

	"github.com/chronoops/chronoops/receiver"
)

// The blocks of a message have fixed ids, so that later updates and buttons find their place. Untrusted text stands in
// plain_text objects, which Slack reads no markup in.
const (
	blockTitle    = "title"
	blockRepeated = "repeated"
	blockSummary  = "summary"
	blockFacts    = "facts"
	blockTimeline = "timeline"
	blockLinks    = "links"
	blockOrigin   = "origin"
)

// slackBlocks lays out a bounded notice.
func slackBlocks(n receiver.Notice) []slack.Block {
	blocks := []slack.Block{slack.NewHeaderBlock(plainText(cut(subject(n), 150)), slack.HeaderBlockOptionBlockID(blockTitle))}
	section := func(id, text string) {
		if text != "" {
			blocks = append(blocks, slack.NewSectionBlock(plainText(cut(text, 3000)), nil, nil, slack.SectionBlockOptionBlockID(id)))
		}
	}
	if n.Repeated {
		section(blockRepeated, repeatedText)
	}
	section(blockSummary, n.Summary)
	if len(n.Facts) > 0 {
		fields := make([]*slack.TextBlockObject, 0, len(n.Facts))
		for _, f := range n.Facts {
			fields = append(fields, plainText(f.Name+"\n"+f.Value))
		}
		blocks = append(blocks, slack.NewSectionBlock(nil, fields, nil, slack.SectionBlockOptionBlockID(blockFacts)))
	}
	section(blockTimeline, strings.Join(n.Timeline, "\n"))
	if len(n.Links) > 0 {
		inert := harmless(kindSlackBot)
		links := joinLines(n.Links, func(l receiver.Link) string {
			return "<" + strings.ReplaceAll(l.URL, "&", "&amp;") + "|" + strings.ReplaceAll(inert(l.Text), "|", "/") + ">"
		})
		text := slack.NewTextBlockObject(slack.MarkdownType, links, false, true)
		blocks = append(blocks, slack.NewSectionBlock(text, nil, nil, slack.SectionBlockOptionBlockID(blockLinks)))
	}
	if text := origin(n); text != "" {
		blocks = append(blocks, slack.NewContextBlock(blockOrigin, plainText(cut(text, 2000))))
	}
	return blocks
}

// plainText never holds nothing: Slack refuses empty texts.
func plainText(s string) *slack.TextBlockObject {
	if strings.TrimSpace(s) == "" {
		s = "-"
	}
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}
