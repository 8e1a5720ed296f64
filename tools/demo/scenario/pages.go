package scenario

import (
	"context"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/chronoops/chronoops/receiver/notify/notifytest"
)

// page is what reached a person.
type page struct {
	to       string // the role
	incident int64
	over     bool // it says that the trouble is over
}

// pages are the inboxes of the people: a webhook and a mail server.
type pages struct {
	timeline *Timeline
	webhook  *notifytest.Webhook
	mail     *notifytest.SMTP

	mu   sync.Mutex
	list []page
	odd  []string // what nobody should have got
}

func newPages(t *Timeline) (*pages, error) {
	mail, err := notifytest.StartSMTP(notifytest.SMTPOptions{})
	if err != nil {
		return nil, err
	}
	return &pages{timeline: t, webhook: notifytest.StartWebhook(), mail: mail}, nil
}

func (p *pages) webhookURL() string { return p.webhook.URL() + "/ada" }

func (p *pages) mailServer() string { return p.mail.Addr() }

func (p *pages) close() {
	_ = p.webhook.Close() // what was not read at the end is not missed: the scenario has failed or counted them
	_ = p.mail.Close()
}

func (p *pages) runWebhook(ctx context.Context) {
	for {
		r, err := p.webhook.Next(ctx)
		if err != nil {
			return
		}
		var m struct {
			Status            string
			GroupKey          string
			CommonAnnotations map[string]string
		}
		if err := r.Decode(&m); err != nil {
			p.strange("a webhook that is no JSON: " + string(r.Body))
			continue
		}
		p.put(oncall, "Ada's webhook", m.GroupKey, m.Status == "resolved", m.CommonAnnotations["title"])
	}
}

func (p *pages) runMail(ctx context.Context) {
	for {
		m, err := p.mail.Next(ctx)
		if err != nil {
			return
		}
		parsed, err := m.Parse()
		subject, _ := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
		if err != nil || len(m.To) != 1 || m.To[0] != "grace@example.com" {
			p.strange(fmt.Sprintf("a mail to %v: %s", m.To, subject))
			continue
		}
		over := strings.Contains(strings.ToLower(subject), "resolved") || strings.Contains(strings.ToLower(subject), "repaired")
		p.put(lead, "Grace's mail", parsed.Text, over, subject)
	}
}

var incidentNumber = regexp.MustCompile(`incident[ /](\d+)`)

func (p *pages) put(to, where, text string, over bool, summary string) {
	m := incidentNumber.FindStringSubmatch(text)
	if m == nil {
		p.strange("a page without an incident: " + text)
		return
	}
	id, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		p.strange(err.Error())
		return
	}
	word := "paged"
	if over {
		word = "told that it is over"
	}
	p.timeline.Say(People, fmt.Sprintf("%s: %s about incident %d: %s", where, word, id, summary))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, page{to, id, over})
}

func (p *pages) strange(text string) {
	p.timeline.Say(People, text)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.odd = append(p.odd, text)
}

// about returns what reached people about an incident, in order.
func (p *pages) about(incident int64) (list []page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if one.incident == incident {
			list = append(list, one)
		}
	}
	return list
}

// audit returns an error unless people got that many pages in all, and nothing else.
func (p *pages) audit(want int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) != want || len(p.odd) > 0 {
		return fmt.Errorf("expected: %d pages about incidents and nothing else\nseen: %v %q", want, p.list, p.odd)
	}
	return nil
}
