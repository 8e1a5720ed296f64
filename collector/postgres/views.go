package postgres

import "github.com/chronoops/chronoops/collector"

// The parts of a PostgreSQL target.
const (
	partServer   = "postgres"
	partActivity = "stat_activity"
	partDatabase = "database"
	partStat     = "stat_database"
	partLocks    = "locks"
	partSettings = "settings"
)

// views are read in this order, the slow ones last, so that what is cheap is not lost to a deadline.
func views() []*view {
	return []*view{&activityView, &statDatabaseView, &locksView, &settingsView, &databaseView, &databaseSizeView}
}

// parts lists what can be selected of the views. All are cheap enough to be on.
func parts(views []*view) []collector.Part {
	list := []collector.Part{{
		Name: partServer, Default: true,
		Families: []*collector.Family{up, static, collector.Down, age},
	}}
	index := map[string]int{}
	for _, v := range views {
		i, ok := index[v.part]
		if !ok {
			i = len(list)
			index[v.part] = i
			list = append(list, collector.Part{Name: v.part, Default: true})
		}
		for _, val := range v.values {
			list[i].Families = append(list[i].Families, val.family)
		}
		if v == &settingsView {
			list[i].Families = append(list[i].Families, knownSettings...)
		}
	}
	return list
}

var (
	up = &collector.Family{
		Name: "pg_up", Type: collector.Gauge,
		Help: "Whether the server answered this scrape; see chronoops_target_down for the reason if not.",
	}
	static = &collector.Family{
		Name: "pg_static", Type: collector.Untyped,
		Help:   "Always 1; the labels tell the server's address and its version, in full and as a number.",
		Labels: []string{"server", "short_version", "version"},
	}
	age = &collector.Family{
		Name: "chronoops_postgres_view_age_seconds", Type: collector.Gauge,
		Help:   "How old the values of a view are that is not read at each scrape.",
		Labels: []string{"view"},
	}
)

// counter and gauge keep the tables below readable.
func counter(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Counter, Labels: labels}
}

func gauge(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Gauge, Labels: labels}
}
