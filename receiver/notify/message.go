package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"

	"github.com/chronoops/chronoops/receiver"
)

// message is an email ready to be sent.
type message struct {
	from  *mail.Address
	to    []*mail.Address
	bytes []byte
}

// compose writes a notice as multipart/alternative with plain text and HTML.
func (m *mailer) compose(ctx context.Context, n receiver.Notice) (message, error) {
	from, err := mail.ParseAddress(m.conf.From)
	if err != nil {
		return message{}, fmt.Errorf("from %q is not an address: %w", m.conf.From, err)
	}
	to, err := mail.ParseAddressList(m.conf.To)
	if err != nil {
		return message{}, fmt.Errorf("to %q is not an address: %w", m.conf.To, err)
	}
	ctx = noticeContext(ctx, n, "email", m.instance, m.name)
	a := alert(n, "email")
	data := amnotify.GetTemplateData(ctx, m.tmpl, []*amalert.Alert{a}, m.logger)

	var out bytes.Buffer
	if err := m.headers(&out, n, data, from, to); err != nil {
		return message{}, err
	}
	text := body(bounded(n)) + "\n"
	if m.conf.Text != "" {
		if text, err = m.tmpl.ExecuteTextString(m.conf.Text, data); err != nil {
			return message{}, fmt.Errorf("execute the text template: %w", err)
		}
	}
	html, err := m.tmpl.ExecuteHTMLString(m.conf.HTML, data)
	if err != nil {
		return message{}, fmt.Errorf("execute the HTML template: %w", err)
	}
	parts := multipart.NewWriter(&out)
	fmt.Fprintf(&out, "Content-Type: multipart/alternative; boundary=%s\r\n\r\n", parts.Boundary())
	for _, p := range []struct{ kind, text string }{{"text/plain", text}, {"text/html", html}} {
		if p.text == "" {
			continue
		}
		if err := writePart(parts, p.kind, p.text); err != nil {
			return message{}, fmt.Errorf("write the %s part: %w", p.kind, err)
		}
	}
	if err := parts.Close(); err != nil {
		return message{}, fmt.Errorf("write the last part: %w", err)
	}
	return message{from: from, to: to, bytes: out.Bytes()}, nil
}

func (m *mailer) headers(out *bytes.Buffer, n receiver.Notice, data *template.Data, from *mail.Address, to []*mail.Address) error {
	host := domain(from.Address)
	headers := map[string]string{
		"From":           from.String(),
		"To":             joinAddresses(to),
		"Date":           n.Now.Format(time.RFC1123Z),
		"Mime-Version":   "1.0",
		"Auto-Submitted": "auto-generated",
		// A repeat has the id of the page it repeats: mail programs show the two as one.
		"Message-Id": fmt.Sprintf("<%s@%s>", idHash(m.instance+"/"+m.conf.To+"/"+pageKey(n)), host),
		"References": fmt.Sprintf("<%s@%s>", idHash(groupKey(n, m.instance)), host),
	}
	if n.Kind == receiver.NoticeFiring && n.Priority == receiver.P0 {
		headers["Importance"] = "high"
	}
	subjectTemplate := `{{ template "email.default.subject" . }}`
	for name, text := range m.conf.Headers {
		if name == "Subject" {
			subjectTemplate = text
			continue
		}
		value, err := m.tmpl.ExecuteTextString(text, data)
		if err != nil {
			return fmt.Errorf("execute the template of header %q: %w", name, err)
		}
		headers[textproto.CanonicalMIMEHeaderKey(name)] = mime.QEncoding.Encode("utf-8", value)
	}
	title, err := m.tmpl.ExecuteTextString(subjectTemplate, data)
	if err != nil {
		return fmt.Errorf("execute the subject template: %w", err)
	}
	headers["Subject"] = mime.QEncoding.Encode("utf-8", line(title, maxLabel))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(out, "%s: %s\r\n", name, headers[name])
	}
	return nil
}

func writePart(parts *multipart.Writer, kind, text string) error {
	w, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {kind + "; charset=UTF-8"},
		"Content-Transfer-Encoding": {"quoted-printable"},
	})
	if err != nil {
		return err
	}
	q := quotedprintable.NewWriter(w)
	if _, err := q.Write([]byte(text)); err != nil {
		return err
	}
	return q.Close()
}

func idHash(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))[:32] }

func domain(address string) string {
	if _, host, ok := strings.Cut(address, "@"); ok {
		return host
	}
	return "localhost"
}

func joinAddresses(list []*mail.Address) string {
	texts := make([]string, 0, len(list))
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
