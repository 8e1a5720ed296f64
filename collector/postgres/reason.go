package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/collector"
)

// reason names why a session could not be had or was lost; see PostgreSQL's appendix A for the codes.
func reason(err error) string {
	var (
		pgErr *pgconn.PgError
		cfg   *configError
	)
	switch {
	case errors.As(err, &cfg):
		return collector.ReasonConfig
	case errors.As(err, &pgErr):
		return codeReason(pgErr)
	}
	if r := collector.NetReason(err); r != collector.ReasonError {
		return r
	}
	if strings.Contains(err.Error(), "refused TLS") || strings.Contains(err.Error(), "tls error") {
		return collector.ReasonTLS
	}
	return collector.ReasonError
}

func codeReason(err *pgconn.PgError) string {
	switch err.Code {
	case "28P01", "28000": // the latter: no such role, or no entry in pg_hba.conf
		return collector.ReasonCredentials
	case "53300":
		return collector.ReasonFull
	case "57P03":
		if strings.Contains(err.Message, "shutting down") {
			return collector.ReasonStopping
		}
		return collector.ReasonStarting
	case "57P01", "57P02":
		return collector.ReasonStopping
	case "3D000", "57P04":
		return collector.ReasonDatabase
	case "42501":
		return collector.ReasonPermission
	case "57014", "55P03":
		return collector.ReasonTimeout
	default:
		return collector.ReasonError
	}
}

// queryError gives an error of a view words that stay the same, without anything of the data.
func queryError(view string, err error) error {
	if err == nil {
		return nil
	}
	var pgErr *pgconn.PgError
	text := collector.NetError(err)
	switch {
	case errors.As(err, &pgErr) && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "P0")):
		text = "SQLSTATE " + pgErr.Code // The server's words may repeat a value.
	case errors.As(err, &pgErr):
		text = fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case text == "":
		text = err.Error()
	}
	if h := hint(view, err); h != "" {
		text += ": " + h
	}
	return fmt.Errorf("read %s: %s", view, text)
}

// hint says what an operator can do about the error of a view's query; empty if there is nothing to say.
func hint(view string, err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return ""
	}
	if own := strings.HasPrefix(view, queryPrefix); own {
		switch pgErr.Code {
		case "42501":
			return "GRANT SELECT on what it reads TO the role of the dsn"
		case "42P01", "42883":
			return "write schema.name, because the search_path is pg_catalog"
		case "57014":
			return "it ran into its timeout or the scrape's deadline: make it faster, or raise timeout"
		case "55P03":
			return "somebody holds a lock on what it reads"
		}
	}
	switch pgErr.Code {
	case "42501":
		return "GRANT pg_monitor TO the role of the dsn"
	case "42P01", "42703", "42883":
		return "this server has no such view, column or function: switch the part off for it"
	case "55P03":
		return "somebody holds a lock on a system catalog: look for VACUUM FULL or CLUSTER on pg_catalog"
	case "57014":
		return "the query ran into the scrape's deadline: raise scrape_timeout or switch the part off"
	default:
		return ""
	}
}

// redacted keeps what reason and down look at and drops the rest of err, which has the credentials in reach.
func redacted(err error, cfg *pgconn.Config) error {
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = failed.Unwrap()
	}
	return &redactedError{err: err, password: cfg.Password}
}

type redactedError struct {
	err      error
	password string
}

func (e *redactedError) Error() string {
	if e.password == "" {
		return e.err.Error()
	}
	return strings.ReplaceAll(e.err.Error(), e.password, "<redacted>")
}

func (e *redactedError) Unwrap() error { return e.err }
