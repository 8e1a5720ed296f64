package notifytest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// Mail is one message that an SMTP server accepted.
type Mail struct {
	From string
	To   []string
	Data []byte
}

// Parsed is a mail's header and its two alternatives.
type Parsed struct {
	Header     mail.Header
	Text, HTML string
}

// Parse decodes a multipart/alternative message.
func (m Mail) Parse() (Parsed, error) {
	msg, err := mail.ReadMessage(strings.NewReader(string(m.Data)))
	if err != nil {
		return Parsed{}, fmt.Errorf("read the message: %w", err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return Parsed{}, fmt.Errorf("content type %q: %w", kind, err)
	}
	p := Parsed{Header: msg.Header}
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := parts.NextPart() // decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return Parsed{}, fmt.Errorf("read a part: %w", err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return Parsed{}, fmt.Errorf("read a part: %w", err)
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			p.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
		case "text/html":
			p.HTML = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}

// Stage is a point of the SMTP exchange.
type Stage string

// The stages at which a server can misbehave.
const (
	StageGreeting Stage = "greeting"
	StageAuth     Stage = "AUTH"
	StageMail     Stage = "MAIL"
	StageRcpt     Stage = "RCPT"
	StageData     Stage = "DATA"
	StageEnd      Stage = "end" // after the whole message was read
)

// SMTPFault is how the server treats one stage of one exchange.
type SMTPFault struct {
	At   Stage
	Code int  // refuse with this code, once
	Drop bool // cut the connection; at StageEnd the message has been accepted
	Hang bool // say nothing more; at StageEnd the message has been accepted
}

// SMTPOptions say what the server demands.
type SMTPOptions struct {
	Username, Password string // both empty: no AUTH offered
	STARTTLS           bool
}

// SMTP is a small server that speaks the real protocol: EHLO, STARTTLS, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, QUIT.
type SMTP struct {
	inbox[Mail]
	o        SMTPOptions
	listener net.Listener
	tls      *tls.Config
	ca       []byte
	done     sync.WaitGroup
	stop     chan struct{}

	mu     sync.Mutex
	faults []SMTPFault
	conns  map[net.Conn]bool
	errs   []error
}

// StartSMTP starts a server on a free port.
func StartSMTP(o SMTPOptions) (*SMTP, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &SMTP{o: o, listener: l, stop: make(chan struct{}), conns: map[net.Conn]bool{}}
	if o.STARTTLS {
		donor := httptest.NewTLSServer(nil) // brings a certificate for 127.0.0.1
		s.tls = &tls.Config{Certificates: donor.TLS.Certificates}
		s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: donor.Certificate().Raw})
		donor.Close()
	}
	s.done.Go(s.accept)
	return s, nil
}

// NewSMTP starts a server that is closed, and checked, at the end of the test.
func NewSMTP(t testing.TB, o SMTPOptions) *SMTP {
	s, err := StartSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, s)
	return s
}

// Addr is the server's host:port.
func (s *SMTP) Addr() string { return s.listener.Addr().String() }

// CA is the certificate that clients must trust, as PEM.
func (s *SMTP) CA() []byte { return s.ca }

// Fail queues faults; each is met once, by the next exchange that reaches its stage while it is the first.
func (s *SMTP) Fail(list ...SMTPFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, list...)
}

// Close stops the server. It returns an error if mail arrived that nobody took, or a client broke the protocol.
func (s *SMTP) Close() error {
	close(s.stop)
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return errors.Join(append(s.errs, err, s.unexpected("smtp"))...)
}

func (s *SMTP) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.done.Go(func() {
			session := &smtpSession{server: s, conn: conn, r: textproto.NewReader(bufio.NewReader(conn))}
			session.run()
			_ = session.conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

// fault takes the first fault if it is for this stage.
func (s *SMTP) fault(at Stage) (SMTPFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 || s.faults[0].At != at {
		return SMTPFault{}, false
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f, true
}

func (s *SMTP) broken(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf("smtp: "+format, args...))
}

// smtpSession is one connection.
type smtpSession struct {
	server *SMTP
	conn   net.Conn
	r      *textproto.Reader
	mail   Mail
	authed bool
	over   bool
}

func (c *smtpSession) say(format string, args ...any) {
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.over = true
	}
}

// meets plays the fault of a stage, if there is one; it reports whether the stage is done with.
func (c *smtpSession) meets(at Stage) bool {
	f, ok := c.server.fault(at)
	if !ok {
		return false
	}
	switch {
	case f.Drop:
		c.over = true
	case f.Hang:
		<-c.server.stop
		c.over = true
	default:
		c.say("%d refused", f.Code)
	}
	return true
}

func (c *smtpSession) run() {
	if c.meets(StageGreeting) {
		return
	}
	c.say("220 test.invalid ESMTP")
	for !c.over {
		text, err := c.r.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(text, " ")
		c.command(strings.ToUpper(verb), rest)
	}
}

func (c *smtpSession) command(verb, rest string) {
	switch verb {
	case "EHLO", "HELO":
		c.hello()
	case "STARTTLS":
		c.say("220 go ahead")
		secured := tls.Server(c.conn, c.server.tls)
		c.conn, c.r = secured, textproto.NewReader(bufio.NewReader(secured))
	case "AUTH":
		if !c.meets(StageAuth) {
			c.auth(rest)
		}
	case "MAIL":
		switch {
		case c.meets(StageMail):
		case c.server.o.Username != "" && !c.authed:
			c.say("530 authentication required")
		default:
			c.mail = Mail{From: address(rest)}
			c.say("250 ok")
		}
	case "RCPT":
		if !c.meets(StageRcpt) {
			c.mail.To = append(c.mail.To, address(rest))
			c.say("250 ok")
		}
	case "DATA":
		if !c.meets(StageData) {
			c.data()
		}
	case "RSET", "NOOP":
		c.say("250 ok")
	case "QUIT":
		c.say("221 bye")
		c.over = true
	case "*": // a client gives up a login
		c.say("501 cancelled")
	default:
		c.server.broken("command %q", verb)
		c.say("500 unknown command")
	}
}

func (c *smtpSession) hello() {
	lines := []string{"test.invalid", "8BITMIME"}
	_, secured := c.conn.(*tls.Conn)
	if c.server.o.STARTTLS && !secured {
		lines = append(lines, "STARTTLS")
	}
	if c.server.o.Username != "" {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	for i, l := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		c.say("250%s%s", separator, l)
	}
}

func (c *smtpSession) auth(rest string) {
	mechanism, initial, _ := strings.Cut(rest, " ")
	o := c.server.o
	switch mechanism {
	case "PLAIN":
		raw, err := base64.StdEncoding.DecodeString(initial)
		c.authed = err == nil && string(raw) == "\x00"+o.Username+"\x00"+o.Password
	case "LOGIN":
		user := c.ask("Username:")
		c.authed = user == o.Username && c.ask("Password:") == o.Password
	}
	if !c.authed {
		c.say("535 bad credentials")
		return
	}
	c.say("235 welcome")
}

func (c *smtpSession) ask(prompt string) string {
	c.say("334 %s", base64.StdEncoding.EncodeToString([]byte(prompt)))
	text, err := c.r.ReadLine()
	if err != nil {
		c.over = true
		return ""
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}

func (c *smtpSession) data() {
	if len(c.mail.To) == 0 {
		c.say("554 no recipients")
		return
	}
	c.say("354 end with a dot")
	data, err := c.r.ReadDotBytes()
	if err != nil { // the client went away in the middle: nothing was accepted
		c.over = true
		return
	}
	c.mail.Data = data
	f, ok := c.server.fault(StageEnd)
	if ok && f.Code != 0 {
		c.say("%d refused", f.Code)
		return
	}
	c.server.put(c.mail)
	c.mail = Mail{}
	switch {
	case f.Drop:
		c.over = true
	case f.Hang:
		<-c.server.stop
		c.over = true
	default:
		c.say("250 accepted")
	}
}

func address(rest string) string {
	_, after, _ := strings.Cut(rest, "<")
	addr, _, _ := strings.Cut(after, ">")
	return addr
}
