package notify

import (
	_ "embed"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
)

//go:embed templates.tmpl
var templateText string

// newTemplate parses our texts under the names that Alertmanager's defaults refer to; its own never get in.
func newTemplate(external *url.URL) (*template.Template, error) {
	tmpl, err := template.New()
	if err != nil {
		return nil, fmt.Errorf("create templates: %w", err)
	}
	if err := tmpl.Parse(strings.NewReader(templateText)); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	tmpl.ExternalURL = external
	return tmpl, nil
}

const (
	maxBody     = 6000
	maxTelegram = 3500 // of 4096, once escaped; beyond that the integration sends an excuse instead of the page
)

// alert is a notice in the form that integrations and their templates know. The values are bounded and inert in the
// markup of that kind of channel, since templates of users refer to them too.
func alert(n receiver.Notice, kind string) *amalert.Alert {
	n = bounded(n)
	inert := harmless(kind)
	text := cut(body(n), maxBody)
	for kind == "telegram" && len(html.EscapeString(text)) > maxTelegram {
		text = cut(text, len([]rune(text))*3/4)
	}
	a := &amalert.Alert{Alert: model.Alert{
		Labels: labelSet(n, inert),
		Annotations: model.LabelSet{
			"title":       model.LabelValue(inert(subject(n))),
			"summary":     model.LabelValue(inert(n.Summary)),
			"description": model.LabelValue(inert(text)),
			"kind":        model.LabelValue(inert(string(n.Kind))),
			"page":        model.LabelValue(inert(n.ID)),
			"repeated":    model.LabelValue(strconv.FormatBool(n.Repeated)),
		},
		StartsAt: n.Since,
	}, UpdatedAt: n.Now}
	if len(n.Links) > 0 {
		a.Annotations["url"] = model.LabelValue(n.Links[0].URL)
		a.GeneratorURL = n.Links[0].URL
	}
	if n.Kind.Closes() {
		// Whether an alert is over is judged by the wall clock, which may be behind the notice's.
		a.EndsAt = n.Now
		if wall := time.Now(); a.EndsAt.IsZero() || a.EndsAt.After(wall) {
			a.EndsAt = wall
		}
	}
	return a
}

func labelSet(n receiver.Notice, inert func(string) string) model.LabelSet {
	labels := groupLabels(n, inert)
	if _, ok := labels[model.AlertNameLabel]; !ok {
		labels[model.AlertNameLabel] = model.LabelValue(inert(n.Title))
	}
	labels["priority"] = model.LabelValue(n.Priority.String())
	if n.Incident != 0 {
		labels["incident"] = model.LabelValue(strconv.FormatInt(n.Incident, 10))
	}
	return labels
}

func groupLabels(n receiver.Notice, inert func(string) string) model.LabelSet {
	labels := make(model.LabelSet, len(n.Labels)+3)
	for name, value := range n.Labels {
		labels[model.LabelName(inert(name))] = model.LabelValue(inert(value))
	}
	return labels
}
