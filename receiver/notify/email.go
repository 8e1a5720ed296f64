package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/config"
	amemail "github.com/prometheus/alertmanager/notify/email"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/receiver"
)

// mailer sends by Alertmanager's email settings. The SMTP exchange is our own: Alertmanager's knows no deadline once it
// is connected, so that a server that hangs keeps the page for ever and may deliver it hours later, and it does not
// tell a refusal from an answer that was lost.
type mailer struct {
	conf     *config.EmailConfig
	tmpl     *template.Template
	instance string
	name     string
	logger   *slog.Logger
}

// errAccepting marks errors after the end of the message was sent and before the server said yes or no.
var errAccepting = errors.New("the server's answer to the message was lost")

func (m *mailer) send(ctx context.Context, n receiver.Notice) (verdict, error) {
	msg, err := m.compose(ctx, n)
	if err != nil {
		return verdict{outcome: receiver.SendRefused, reason: "config"}, err
	}
	err = m.exchange(ctx, msg)
	if err == nil {
		return verdict{outcome: receiver.SendDelivered}, nil
	}
	return judgeMail(err), err
}

func judgeMail(err error) verdict {
	if errors.Is(err, errAccepting) {
		return verdict{outcome: receiver.SendUnknown, reason: transportReason(err)}
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		switch {
		case e.Code == 530 || e.Code == 534 || e.Code == 535 || e.Code == 538:
			return verdict{outcome: receiver.SendRefused, reason: "auth"}
		case e.Code >= 500:
			return verdict{outcome: receiver.SendRefused, reason: "client_error"}
		case e.Code >= 400:
			return verdict{outcome: receiver.SendRetry, reason: "server_error"}
		}
	}
	if errors.Is(err, errMailSettings) {
		return verdict{outcome: receiver.SendRefused, reason: "config"}
	}
	return notConnected(err)
}

// errMailSettings marks errors that only other settings can mend.
var errMailSettings = errors.New("email settings")

// exchange speaks SMTP with one deadline over all of it. Any error but errAccepting means that nothing was delivered.
func (m *mailer) exchange(ctx context.Context, msg message) error {
	d := net.Dialer{}
	conn, err := d.DialContext(ctx, "tcp", m.conf.Smarthost.String())
	if err != nil {
		return fmt.Errorf("connect to the SMTP server: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("set the SMTP deadline: %w", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	implicit := m.conf.Smarthost.Port == "465"
	if m.conf.ForceImplicitTLS != nil {
		implicit = *m.conf.ForceImplicitTLS
	}
	if implicit {
		tlsConfig, err := m.tlsConfig()
		if err != nil {
			return err
		}
		conn = tls.Client(conn, tlsConfig)
	}
	c, err := smtp.NewClient(conn, m.conf.Smarthost.Host)
	if err != nil {
		return fmt.Errorf("greet the SMTP server: %w", err)
	}
	if err := m.handshake(c, implicit); err != nil {
		return err
	}
	if err := m.deliver(c, msg); err != nil {
		return err
	}
	_ = c.Quit() // the message was accepted: how the session ends changes nothing
	return nil
}

func (m *mailer) handshake(c *smtp.Client, encrypted bool) error {
	if m.conf.Hello != "" {
		if err := c.Hello(m.conf.Hello); err != nil {
			return fmt.Errorf("say EHLO: %w", err)
		}
	}
	if m.conf.RequireTLS != nil && *m.conf.RequireTLS && !encrypted {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return fmt.Errorf("%w: %s offers no STARTTLS: set smtp_require_tls: false if that is intended", errMailSettings, m.conf.Smarthost)
		}
		tlsConfig, err := m.tlsConfig()
		if err != nil {
			return err
		}
		if err := c.StartTLS(tlsConfig); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
	}
	if m.conf.AuthUsername == "" {
		return nil
	}
	ok, offered := c.Extension("AUTH")
	if !ok {
		return nil // as Alertmanager: an open relay needs none
	}
	auth, err := m.auth(offered)
	if err != nil {
		return err
	}
	if err := c.Auth(auth); err != nil {
		if _, answered := errors.AsType[*textproto.Error](err); !answered && !interrupted(err) {
			return fmt.Errorf("%w: log in: %w", errMailSettings, err) // net/smtp sends no password in the clear
		}
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

func (m *mailer) tlsConfig() (*tls.Config, error) {
	settings := m.conf.TLSConfig
	if settings == nil {
		settings = &commoncfg.TLSConfig{}
	}
	tlsConfig, err := commoncfg.NewTLSConfig(settings)
	if err != nil {
		return nil, fmt.Errorf("%w: read tls_config: %w", errMailSettings, err)
	}
	if tlsConfig.ServerName == "" {
		tlsConfig.ServerName = m.conf.Smarthost.Host
	}
	return tlsConfig, nil
}

// auth takes the first mechanism that the server offers and a credential exists for.
func (m *mailer) auth(offered string) (smtp.Auth, error) {
	password, err := secretOrFile(string(m.conf.AuthPassword), m.conf.AuthPasswordFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMailSettings, err)
	}
	secret, err := secretOrFile(string(m.conf.AuthSecret), m.conf.AuthSecretFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMailSettings, err)
	}
	for mechanism := range strings.FieldsSeq(offered) {
		switch {
		case mechanism == "CRAM-MD5" && secret != "":
			return smtp.CRAMMD5Auth(m.conf.AuthUsername, secret), nil
		case mechanism == "PLAIN" && password != "":
			return smtp.PlainAuth(m.conf.AuthIdentity, m.conf.AuthUsername, password, m.conf.Smarthost.Host), nil
		case mechanism == "LOGIN" && password != "":
			return amemail.LoginAuth(m.conf.AuthUsername, password), nil
		}
	}
	return nil, fmt.Errorf("%w: the server offers the logins %q: set smtp_auth_password for PLAIN and LOGIN, smtp_auth_secret for CRAM-MD5",
		errMailSettings, offered)
}

func secretOrFile(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}

// deliver hands over the message. Of several recipients one is enough.
func (m *mailer) deliver(c *smtp.Client, msg message) error {
	if err := c.Mail(msg.from.Address); err != nil {
		return fmt.Errorf("name the sender: %w", err)
	}
	if err := recipients(c, msg.to, m.logger); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("begin the message: %w", err)
	}
	if _, err := w.Write(msg.bytes); err != nil {
		return fmt.Errorf("write the message: %w", err) // without its end the server drops it
	}
	return finish(w)
}

func recipients(c *smtp.Client, to []*mail.Address, logger *slog.Logger) error {
	var refused error
	accepted := 0
	for _, addr := range to {
		if err := c.Rcpt(addr.Address); err != nil {
			refused = fmt.Errorf("name a recipient: %w", err)
			if _, answered := errors.AsType[*textproto.Error](err); !answered {
				return refused
			}
			continue
		}
		accepted++
	}
	if accepted == 0 {
		return refused
	}
	if refused != nil {
		logger.Warn("The mail server refused one of several recipients", "accepted", accepted, "recipients", len(to))
	}
	return nil
}

func finish(w io.WriteCloser) error {
	err := w.Close()
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Errorf("the server refused the message: %w", e)
	}
	return fmt.Errorf("%w: %w", errAccepting, err)
}
