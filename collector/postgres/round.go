package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// longestRound bounds a walk over the databases; those that it does not reach come first in the next.
	longestRound = 2 * time.Minute
	// longestQuery bounds a query of a walk.
	longestQuery = 30 * time.Second
)

// round is a walk over databases. It reads what is too heavy for a scrape, and what a session can only see of the
// database that it is in, in the background of scrapes and in one session at a time.
type round struct {
	cfg     *pgconn.Config
	now     func() time.Time
	views   []*view // that are due
	choose  DatabasesConfig
	rows    map[*view]int        // how many are left to be read, of views that are capped
	readAt  map[string]time.Time // what is known of earlier rounds, by database
	cancel  context.CancelFunc
	done    chan struct{}
	session *session

	// The rest is for others once done is closed.
	places  []*place
	present []string // the databases there are, the connected one first
	cut     bool     // it did not get to the end
	err     error
}

// place is what was read of one database.
type place struct {
	name   string
	states []*viewState
}

// oldest is when the values of the place were read that are oldest.
func (p *place) oldest() (at time.Time) {
	for _, s := range p.states {
		if !s.readAt.IsZero() && (at.IsZero() || s.readAt.Before(at)) {
			at = s.readAt
		}
	}
	return at
}

// run walks over the databases until the context ends.
func (r *round) run(ctx context.Context) {
	defer close(r.done)
	defer r.leave() // Nothing is left of the session when its permit is given back.
	if r.err = r.begin(ctx); r.err != nil {
		return
	}
	connected := r.present[0]
	r.read(ctx, connected, func(v *view) bool { return v.background || v.in(connected) })
	r.leave()
	others := slices.Clone(r.present[1:])
	slices.SortStableFunc(others, func(a, b string) int { return r.readAt[a].Compare(r.readAt[b]) })
	for _, name := range others {
		chosen := r.choose.has(name)
		wanted := func(v *view) bool { return v.local && chosen || v.in(name) }
		if !slices.ContainsFunc(r.views, wanted) {
			continue
		}
		if r.cut = ctx.Err() != nil; r.cut {
			return
		}
		r.visit(ctx, name, wanted)
	}
}

// begin opens a session in the connected database and lists the others.
func (r *round) begin(ctx context.Context) (err error) {
	if r.session, err = dial(ctx, r.cfg); err != nil {
		return redacted(err, r.cfg)
	}
	list := query{name: "databases", sql: `SELECT datname FROM pg_database WHERE datname = current_database() OR datallowconn AND NOT datistemplate
		ORDER BY datname <> current_database(), datname`}
	run, err := r.session.send(ctx, []query{list})
	if err != nil {
		return err
	}
	defer run.end()
	if err := run.read(list.name, func(row [][]byte) error {
		r.present = append(r.present, string(row[0]))
		return nil
	}); err != nil {
		return err
	}
	if len(r.present) == 0 {
		return errors.New("the list of databases is empty")
	}
	return nil
}

// visit opens a session in a database and reads it.
func (r *round) visit(ctx context.Context, name string, wanted func(*view) bool) {
	cfg := r.cfg.Copy()
	cfg.Database = name
	s, err := dial(ctx, cfg)
	if err != nil {
		r.fail(name, wanted, redacted(err, cfg))
		return
	}
	r.session = s
	r.read(ctx, name, wanted)
	r.leave()
}

// fail notes that a database could not be read at all.
func (r *round) fail(name string, wanted func(*view) bool, err error) {
	p := &place{name: name}
	for _, v := range r.views {
		if wanted(v) {
			p.states = append(p.states, &viewState{view: v, err: err})
		}
	}
	r.places = append(r.places, p)
}

// read reads the views that are wanted of the database that the session is in.
func (r *round) read(ctx context.Context, name string, wanted func(*view) bool) {
	s := r.session
	p := &place{name: name}
	deadline, _ := ctx.Deadline()
	left := min(time.Until(deadline), longestQuery)
	queries := []query{serverQuery(left, 1)}
	for _, v := range r.views {
		if !wanted(v) || !inVersion(s.major, v.since, v.until) {
			continue
		}
		state := newViewState(v, s.major, v.newDecoder(nil))
		p.states = append(p.states, state)
		if d, ok := state.decoder.(placed); ok {
			d.in(name)
		}
		queries = append(queries, state.queries(r.rows[v], left)...)
	}
	if len(p.states) == 0 {
		return
	}
	run, err := s.send(ctx, queries)
	if err != nil {
		r.fail(name, wanted, err)
		return
	}
	defer run.end()
	around := &surroundings{intern: &interner{}, server: s.server}
	err = run.read("server", func([][]byte) error { return nil })
	for _, state := range p.states {
		state.begin(r.now())
		if _, lost := errors.AsType[*lostError](err); !lost {
			err = run.rows(state, around)
		}
		if err == nil {
			r.rows[state.view] -= state.rows
			err = state.done(r.now())
		}
		if err != nil {
			state.failed(err)
		}
	}
	r.places = append(r.places, p)
}

// leave ends the session and waits until nothing is left of it, because the next one counts as the same.
func (r *round) leave() {
	if r.session != nil {
		<-r.session.close()
		r.session = nil
	}
}

// in tells whether a view is of a user's query that names the database.
func (v *view) in(database string) bool { return matches(v.databases, database) }

// inRounds tells whether a view is read by walks over the databases and not by scrapes.
func (v *view) inRounds() bool { return v.background || len(v.databases) > 0 }
