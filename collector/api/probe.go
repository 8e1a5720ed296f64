package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	// DefaultTimeout bounds a probe whose options name no timeout.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxBody bounds the bytes of a body that are read when the options name no limit.
	DefaultMaxBody = 1 << 20

	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
	maxRetryAfter  = time.Minute
	userAgent      = "chronoops"
)

// ProbeOptions say what to ask and what to expect. Only URL is required.
type ProbeOptions struct {
	Name    string // of the result
	URL     string // http or https
	Method  string // GET by default
	Header  http.Header
	Status  []int          // expected; by default 200–299, with 206 as Degraded and 429 as Limited
	Body    *regexp.Regexp // expected somewhere within the first MaxBody bytes
	HTML    bool           // an HTML page is an answer; otherwise it is taken for a front end's page for unknown paths
	TLS     *tls.Config
	Timeout time.Duration // within the context's deadline
	MaxBody int64

	// Allow is asked for each address before it is dialled, so that it holds for every redirect and whatever a name
	// resolves to. Nil allows all.
	Allow func(addr netip.AddrPort) error
	// Redirect says whether a redirect may be followed. By default only within the host, and with an Authorization
	// header only within scheme, host and port.
	Redirect func(from, to *url.URL) bool
}

// Probe asks once, over a new connection, and never returns later than ctx ends.
func Probe(ctx context.Context, opt ProbeOptions) Result {
	res := Result{Name: opt.Name, Start: time.Now(), ContentLength: -1}
	timeout := opt.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < timeout {
		res.cut = true
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no complete answer within %s", timeout))
	defer cancel()

	var tr trace
	err := ask(httptrace.WithClientTrace(ctx, tr.client()), opt, &res)
	end := time.Now()
	res.Duration = end.Sub(res.Start)
	res.Phases, res.IPVersion = tr.phases(end)
	if err != nil {
		res.State, res.Err = Down, clean(ctx, err)
	}
	return res
}

// ask fills res from the answer; an error means that the target is down.
func ask(ctx context.Context, opt ProbeOptions, res *Result) error {
	method := opt.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, opt.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	for name, values := range opt.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	transport := opt.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if !opt.follows(next, via) {
			return http.ErrUseLastResponse
		}
		res.Redirects = len(via)
		return nil
	}}
	resp, err := client.Do(req)
	if resp != nil {
		res.TLS = tlsInfo(resp.TLS)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	res.Status = resp.StatusCode
	res.HTTPVersion, _ = strconv.ParseFloat(fmt.Sprintf("%d.%d", resp.ProtoMajor, resp.ProtoMinor), 64)
	res.ContentLength = resp.ContentLength
	body, err := readBody(resp.Body, opt, res)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return opt.judge(resp, body, res)
}

// judge decides on the state.
func (opt ProbeOptions) judge(resp *http.Response, body []byte, res *Result) error {
	code := resp.StatusCode
	expected := slices.Contains(opt.Status, code) || len(opt.Status) == 0 && code >= 200 && code <= 299
	switch {
	case code == http.StatusTooManyRequests && !slices.Contains(opt.Status, code):
		res.State, res.RetryAfter = Limited, retryAfter(resp.Header.Get("Retry-After"))
		return nil
	case code == http.StatusPartialContent && !slices.Contains(opt.Status, code):
		res.State = Degraded
		return nil
	case expected:
		res.State = Up
	case code >= 300 && code <= 399 && resp.Header.Get("Location") != "":
		return fmt.Errorf("status %d: redirects to another host and loops are not followed", code)
	default:
		return fmt.Errorf("status %d", code)
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/html" && !opt.HTML && code <= 299 {
		return fmt.Errorf("status %d with an HTML page, probably a front end's for unknown paths: set html: true if it is right", code)
	}
	if opt.Body != nil && !opt.Body.Match(body) {
		res.BodyMismatch = true
		return errors.New("the body does not match")
	}
	return nil
}

// readBody keeps the body only if it is to be matched. A body over the limit is left unread and no error.
func readBody(r io.Reader, opt ProbeOptions, res *Result) ([]byte, error) {
	limit := opt.MaxBody
	if limit <= 0 {
		limit = DefaultMaxBody
	}
	var buf bytes.Buffer
	w := io.Discard
	if opt.Body != nil {
		w = &buf
	}
	n, err := io.Copy(w, io.LimitReader(r, limit))
	res.BodyBytes = n
	return buf.Bytes(), err
}

func (opt ProbeOptions) follows(next *http.Request, via []*http.Request) bool {
	last := via[len(via)-1].URL
	if len(via) > maxRedirects || slices.Contains(opt.Status, next.Response.StatusCode) {
		return false
	}
	if next.URL.Scheme != "http" && next.URL.Scheme != "https" {
		return false
	}
	if opt.Redirect != nil {
		return opt.Redirect(last, next.URL)
	}
	if opt.Header.Get("Authorization") != "" {
		return next.URL.Scheme == last.Scheme && next.URL.Host == last.Host
	}
	return next.URL.Hostname() == last.Hostname()
}

func (opt ProbeOptions) transport() *http.Transport {
	dialer := &net.Dialer{}
	if opt.Allow != nil {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("parse address: %w", err)
			}
			return opt.Allow(addr)
		}
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        opt.TLS.Clone(),
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

func tlsInfo(cs *tls.ConnectionState) *TLSInfo {
	if cs == nil {
		return nil
	}
	info := &TLSInfo{Version: tls.VersionName(cs.Version)}
	for _, cert := range cs.PeerCertificates {
		if info.EarliestExpiry.IsZero() || cert.NotAfter.Before(info.EarliestExpiry) {
			info.EarliestExpiry = cert.NotAfter
		}
	}
	return info
}

// retryAfter reads seconds only, and no more than a minute: a fault must not hide behind it for long.
func retryAfter(s string) time.Duration {
	n, ok := parseDigits([]byte(s))
	if !ok {
		return 0
	}
	return min(time.Duration(min(n, 3600))*time.Second, maxRetryAfter)
}

// clean drops the URL, whose query may carry a token, and prefers the reason for which ctx ended.
func clean(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
