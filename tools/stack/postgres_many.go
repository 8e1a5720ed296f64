package stack

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// CreateDatabases creates n empty databases, db1 to dbN, and returns their names.
func (p *Postgres) CreateDatabases(ctx context.Context, n int) ([]string, error) {
	major, err := p.Major()
	if err != nil {
		return nil, err
	}
	strategy := "" // before 15 there is only copying, the faster way where nothing is made durable
	if major >= 15 {
		strategy = " STRATEGY FILE_COPY"
	}
	const sessions = 2
	names := make([]string, n)
	statements := make([][]string, sessions)
	for i := range names {
		names[i] = fmt.Sprintf("db%d", i+1)
		at := i % sessions
		statements[at] = append(statements[at], "CREATE DATABASE "+names[i]+" TEMPLATE template0"+strategy)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, list := range statements {
		group.Go(func() error { return p.Exec(ctx, "postgres", list...) })
	}
	return names, group.Wait()
}

// CreateTables creates n empty tables with an index and room for large values, table1 to tableN, in a database.
func (p *Postgres) CreateTables(ctx context.Context, database string, n int) error {
	return p.Exec(ctx, database, fmt.Sprintf(`DO $$ BEGIN
		FOR i IN 1..%d LOOP
			EXECUTE format('CREATE TABLE table%%s (id bigint PRIMARY KEY, body text)', i);
			IF i %% 100 = 0 THEN COMMIT; END IF; -- or the locks would not fit
		END LOOP;
	END $$`, n))
}
