package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Config is one PostgreSQL server to watch.
type Config struct {
	Name      string        `yaml:"name"`
	DSN       config.Secret `yaml:"dsn,omitempty"`      // URL or key=value; with DSNFile empty too, libpq's PG* environment
	DSNFile   string        `yaml:"dsn_file,omitempty"` // read at each connect
	OnMetrics bool          `yaml:"on_metrics,omitempty"`

	// SlowInterval is the least time between two readings of what is expensive, such as sizes, which touch every file.
	SlowInterval model.Duration `yaml:"slow_interval,omitempty"`
	// ApplicationNames is how many distinct values of application_name get series of their own.
	ApplicationNames int `yaml:"application_names,omitempty"`
	// Relations is how many tables, and how many indexes, of a database get series of their own, the largest first.
	Relations int `yaml:"relations,omitempty"`

	Statements StatementsConfig `yaml:"statements,omitempty"`
	Databases  DatabasesConfig  `yaml:"databases,omitempty"`
	Queries    []QueryConfig    `yaml:"queries,omitempty"`
}

// DefaultConfig holds what a target gets where its configuration is silent.
var DefaultConfig = Config{
	SlowInterval:     model.Duration(5 * time.Minute),
	ApplicationNames: 50,
	Relations:        5000,
	Statements:       StatementsConfig{Top: 50, Keep: model.Duration(time.Hour)},
}

var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// UnmarshalYAML fills in defaults and refuses what cannot work.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	*c = DefaultConfig
	type plain Config
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	if c.DSN == "" && c.DSNFile == "" {
		return fmt.Errorf("postgres target %q has neither dsn nor dsn_file: "+
			"set dsn_file to a file that holds postgres://user:password@host:5432/database", c.Name)
	}
	return c.validate()
}

// complete fills in defaults for what a configuration made in code leaves out.
func (c *Config) complete() {
	c.SlowInterval = cmp.Or(c.SlowInterval, DefaultConfig.SlowInterval)
	c.ApplicationNames = cmp.Or(c.ApplicationNames, DefaultConfig.ApplicationNames)
	c.Relations = cmp.Or(c.Relations, DefaultConfig.Relations)
	c.Statements.Top = cmp.Or(c.Statements.Top, DefaultConfig.Statements.Top)
	c.Statements.Keep = cmp.Or(c.Statements.Keep, DefaultConfig.Statements.Keep)
}

func (c *Config) validate() error {
	switch {
	case c.Name == "":
		return errors.New("a postgres target has no name: set name to a short word such as main")
	case !validName.MatchString(c.Name):
		return fmt.Errorf("postgres target name %q: use letters, digits, dots, dashes and underscores only", c.Name)
	case c.DSN != "" && c.DSNFile != "":
		return fmt.Errorf("postgres target %q has both dsn and dsn_file: keep one, better dsn_file", c.Name)
	case c.SlowInterval <= 0:
		return fmt.Errorf("postgres target %q: slow_interval must be longer than 0s: use a duration such as 5m", c.Name)
	case c.ApplicationNames < 1:
		return fmt.Errorf("postgres target %q: application_names is %d: use at least 1", c.Name, c.ApplicationNames)
	case c.Relations < 1:
		return fmt.Errorf("postgres target %q: relations is %d: use at least 1", c.Name, c.Relations)
	case c.Statements.Top < 1 || c.Statements.Top > mostStatements:
		return fmt.Errorf("postgres target %q: statements.top is %d: use 1 to %d", c.Name, c.Statements.Top, mostStatements)
	case c.Statements.Keep <= 0:
		return fmt.Errorf("postgres target %q: statements.keep must be longer than 0s: use a duration such as 1h", c.Name)
	}
	if err := c.Databases.validate(); err != nil {
		return fmt.Errorf("postgres target %q: %w", c.Name, err)
	}
	if err := validateQueries(c.Queries); err != nil {
		return fmt.Errorf("postgres target %q: %w", c.Name, err)
	}
	if c.DSN != "" {
		if _, err := parseDSN(c.Name, string(c.DSN)); err != nil {
			return err
		}
	}
	return nil
}

// connConfig reads the credentials as they are now and adds what every session of ours needs.
func (c *Config) connConfig() (*pgconn.Config, error) {
	dsn := string(c.DSN)
	if c.DSNFile != "" {
		b, err := os.ReadFile(c.DSNFile)
		if err != nil {
			return nil, &configError{fmt.Errorf("read dsn_file of postgres target %q: %w", c.Name, err)}
		}
		if dsn = strings.TrimSpace(string(b)); dsn == "" {
			return nil, &configError{fmt.Errorf("dsn_file %s of postgres target %q is empty: "+
				"write postgres://user:password@host:5432/database into it", c.DSNFile, c.Name)}
		}
	}
	return parseDSN(c.Name, dsn)
}

var driverSuffix = regexp.MustCompile(`^(postgres(?:ql)?)\+[a-z0-9_]+://`)

// parseDSN also takes the URLs of Python applications, such as postgresql+asyncpg://.
func parseDSN(name, dsn string) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig(driverSuffix.ReplaceAllString(dsn, "$1://"))
	if err != nil {
		// The parser's own words may repeat a part of the password.
		return nil, &configError{fmt.Errorf("the connection string of postgres target %q cannot be used: write "+
			"postgres://user:password@host:5432/database?sslmode=prefer with special characters percent-encoded, "+
			"and check that the certificate files it names can be read", name)}
	}
	cfg.RuntimeParams["application_name"] = applicationName
	return cfg, nil
}

// configError is a mistake in what the operator wrote, not a fault of the server.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }
