package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
)

//go:embed templates
var templates embed.FS

// pages renders incidents for a browser, without scripts.
type pages struct {
	zone   *time.Location
	list   *template.Template
	detail *template.Template
	policy string // Content-Security-Policy
	style  template.CSS
}

func newPages(zone *time.Location) *pages {
	style, err := templates.ReadFile("templates/style.css")
	if err != nil {
		panic(err) // embedded
	}
	// The style is named by its hash, so that nothing else in the page can be one.
	sum := sha256.Sum256(style)
	p := &pages{zone: zone, style: template.CSS(style)} //nolint:gosec // our own file
	p.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	base := template.Must(template.New("layout.html").Funcs(p.funcs()).ParseFS(templates, "templates/layout.html", "templates/parts.html"))
	p.list = template.Must(template.Must(base.Clone()).ParseFS(templates, "templates/incidents.html"))
	p.detail = template.Must(template.Must(base.Clone()).ParseFS(templates, "templates/incident.html"))
	return p
}

func (p *pages) funcs() template.FuncMap {
	return template.FuncMap{
		"visible":  func(s any) string { return Visible(fmt.Sprint(s)) },
		"when":     func(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04:05 MST") },
		"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"took":     func(from, to time.Time) string { return to.Sub(from).Truncate(time.Second).String() },
		"describe": func(labels map[string]string) string { return Visible(incident.Describe(labels)) },
		"sorted":   func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) },
		"web":      webLink,
		"plus":     func(a, b int) int { return a + b },
		"covered":  func(a *receiver.Ack, now time.Time) bool { return a != nil && now.Before(a.Until) },
	}
}

// webLink returns a link that is safe to follow, or "".
func webLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return ""
	}
	return s
}

// page is what every page shows.
type page struct {
	Title   string
	Now     time.Time
	Style   template.CSS
	Refresh bool // something may change soon
	Paused  Paused
	Mode    receiver.Mode
	List    []Incident
	Detail  Detail
}

func (h *Handler) registerPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /incidents", func(w http.ResponseWriter, r *http.Request) { h.servePage(w, r, h.pages.list, h.listPage) })
	mux.HandleFunc("GET /incidents/{id}", func(w http.ResponseWriter, r *http.Request) { h.servePage(w, r, h.pages.detail, h.detailPage) })
}

func (h *Handler) listPage(_ call, tx Tx, p *page) (err error) {
	p.Title, p.Refresh = "Incidents", true
	p.List, err = incidents(tx, false, listed)
	return err
}

func (h *Handler) detailPage(c call, tx Tx, p *page) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if p.Detail, err = detail(tx, id); err != nil {
		return err
	}
	p.Title, p.Refresh = fmt.Sprintf("Incident %d", id), p.Detail.Incident.Open()
	return nil
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, t *template.Template, fill func(call, Tx, *page) error) {
	header := w.Header()
	header.Set("Content-Security-Policy", h.pages.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	if err := h.o.Auth.View(r); err != nil {
		h.pageError(w, h.denied(r, err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	p := page{Style: h.pages.style, Mode: h.o.Policies().Mode}
	err := h.o.Store.View(ctx, func(tx Tx) (err error) {
		p.Now = tx.Now()
		if p.Paused, err = h.paused(tx); err != nil {
			return err
		}
		return fill(call{Request: r, w: w}, tx, &p)
	})
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, p)
	}
	if err != nil {
		if _, internal := asError(err); internal {
			h.o.Logger.Error("Page failed", "path", r.URL.Path, "err", err)
		}
		h.pageError(w, err)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes())
}

func (h *Handler) pageError(w http.ResponseWriter, err error) {
	shown, _ := asError(err)
	writeText(w, shown)
}

func writeText(w http.ResponseWriter, e *Error) {
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	http.Error(w, e.Text, e.Status)
}

// RequireViewer lets only those pass who may look.
func (a *Auth) RequireViewer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.View(r); err != nil {
			shown, _ := asError(err)
			writeText(w, shown)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// RequireOperator lets only operators pass, such as for a reload.
func (a *Auth) RequireOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.Operate(r); err != nil {
			shown, _ := asError(err)
			writeText(w, shown)
			return
		}
		next.ServeHTTP(w, r)
	})
}
