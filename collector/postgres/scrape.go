package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// scrape reads the answers in the order in which the queries were sent.
type scrape struct {
	session  *session
	pipeline *pgconn.Pipeline
}

// read hands the rows of the next query, which must have the name, to row; the values are valid during the call only.
func (r *scrape) read(name string, row func([][]byte) error) error {
	if _, ok := r.session.statements[name]; !ok {
		got, err := r.pipeline.GetResults()
		if err != nil {
			return r.settle(err)
		}
		sd, ok := got.(*pgconn.StatementDescription)
		if !ok {
			return r.confused(got)
		}
		sd.Name = name
		r.session.statements[name] = sd
	}
	err := r.result(row)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == "0A000" || pgErr.Code == "26000") {
		// The view changed under the prepared statement, or a proxy gave us another session: start afresh.
		return &lostError{err}
	}
	return err
}

// rows reads the answers to the queries of a view.
func (r *scrape) rows(v *viewState, around *surroundings) error {
	if v.timeout > 0 {
		if err := r.read("timeout", nil); err != nil {
			if _, lost := errors.AsType[*lostError](err); lost {
				return err
			}
		}
	}
	d, ok := v.decoder.(describer)
	describe := func() error {
		if !ok {
			return nil
		}
		ok = false
		var columns []string
		for _, f := range r.session.statements[v.statement].Fields {
			columns = append(columns, f.Name)
		}
		return d.describe(columns)
	}
	var bad error
	err := r.read(v.statement, func(row [][]byte) error {
		if bad == nil {
			bad = describe()
		}
		if bad != nil {
			return bad
		}
		return v.row(row, around)
	})
	if err == nil {
		err = describe() // without a row
	}
	return err
}

func (r *scrape) result(row func([][]byte) error) error {
	got, err := r.pipeline.GetResults()
	if err != nil {
		return r.settle(err)
	}
	rows, ok := got.(*pgconn.ResultReader)
	if !ok {
		return r.confused(got)
	}
	var rowErr error
	for rows.NextRow() {
		if row != nil && rowErr == nil {
			rowErr = row(rows.Values())
		}
	}
	if _, err := rows.Close(); err != nil {
		return r.settle(err)
	}
	if err := r.sync(); err != nil {
		return err
	}
	return rowErr
}

// settle goes on to the next query after an error of the server; any other error ends the session.
func (r *scrape) settle(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || r.session.lost() {
		return &lostError{err}
	}
	if pgErr.Severity == "FATAL" || pgErr.SeverityUnlocalized == "FATAL" || pgErr.SeverityUnlocalized == "PANIC" {
		return &lostError{err}
	}
	if syncErr := r.sync(); syncErr != nil {
		return &lostError{err}
	}
	return err
}

func (r *scrape) sync() error {
	got, err := r.pipeline.GetResults()
	if err != nil {
		return &lostError{err}
	}
	if _, ok := got.(*pgconn.PipelineSync); !ok {
		return r.confused(got)
	}
	return nil
}

func (r *scrape) confused(got any) error {
	return &lostError{fmt.Errorf("the server's answers are out of order: got %T", got)}
}

// end gives the connection back. Whatever was not read is read or, at the deadline, thrown away with the connection.
func (r *scrape) end() { _ = r.pipeline.Close() }
