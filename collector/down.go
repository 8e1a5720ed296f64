package collector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Down is 1 while a target cannot be read and absent otherwise; its reason label is one of the reasons below. The
// target's own "up" metric keeps the label set that existing dashboards know.
var Down = &Family{
	Name:   "chronoops_target_down",
	Help:   "Why a target cannot be read; absent while it can.",
	Type:   Gauge,
	Labels: []string{"kind", "reason"},
}

// The reasons why a target is down. A kind of target uses those that it can tell apart.
const (
	ReasonRefused     = "refused"              // nothing listens at the address
	ReasonTimeout     = "timeout"              // no answer within the scrape's deadline
	ReasonReset       = "reset"                // the connection was closed in the middle
	ReasonDNS         = "dns"                  // the name does not resolve
	ReasonUnreachable = "unreachable"          // no route to the host or network
	ReasonTLS         = "tls"                  // the handshake or the certificate failed
	ReasonConfig      = "config"               // the address or a credential file is unusable
	ReasonCredentials = "wrong_credentials"    // the server refused the credentials
	ReasonAnonymous   = "missing_credentials"  // the server wants credentials and has got none
	ReasonPermission  = "permission"           // known to the server, but not allowed to read
	ReasonDatabase    = "no_database"          // the database does not exist
	ReasonFull        = "too_many_connections" // the server accepts no more clients
	ReasonStarting    = "starting_up"          // recovering, or loading its data
	ReasonStopping    = "shutting_down"        // going away
	ReasonNoPrimary   = "no_primary"           // a replica that lost its primary and serves no old data
	ReasonBusy        = "busy"                 // occupied by one long command
	ReasonError       = "error"                // anything else; the log tells
)

// NetReason returns the reason for an error of the network or the operating system, ReasonError for any other.
func NetReason(err error) string {
	var (
		dns     *net.DNSError
		netErr  net.Error
		record  tls.RecordHeaderError
		alert   tls.AlertError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.Canceled):
		return ReasonTimeout
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return ReasonTimeout
		}
		return ReasonDNS
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &host):
		return ReasonTLS
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT): // the latter for a Unix socket
		return ReasonRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ReasonUnreachable
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, syscall.ETIMEDOUT):
		return ReasonTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return ReasonReset
	default:
		return ReasonError
	}
}

// NetError says in words that stay the same from scrape to scrape what the network did. Go's own text has the local
// port in it, which would make each failure look like a new one. It is empty for errors that are not the network's.
func NetError(err error) string {
	var (
		op  *net.OpError
		dns *net.DNSError
		sys *os.SyscallError
	)
	switch reason := NetReason(err); {
	case errors.As(err, &dns) && reason == ReasonDNS:
		return "the name " + dns.Name + " does not resolve"
	case reason == ReasonTimeout:
		return "no answer within the scrape's deadline"
	case reason == ReasonReset:
		return "the connection was closed by the other side"
	case !errors.As(err, &op):
		return ""
	case errors.As(op.Err, &sys):
		err = sys.Err
	default:
		err = op.Err
	}
	if op.Addr == nil {
		return op.Op + " " + op.Net + ": " + err.Error()
	}
	return op.Op + " " + op.Net + " " + op.Addr.String() + ": " + err.Error()
}
