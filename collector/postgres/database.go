package postgres

// databaseView reads pg_database.
var databaseView = view{
	part: partDatabase, name: "database",
	labels: []string{"datname"},
	values: []value{{
		family: gauge("pg_database_connection_limit", "Most sessions the database accepts; -1 for no limit of its own.", "datname"),
		expr:   "datconnlimit",
	}},
	from: "FROM pg_database",
}

// databaseSizeView asks the file system for every file of every database, which is why it is slow.
var databaseSizeView = view{
	part: partDatabase, name: "database_size",
	slow:   true,
	labels: []string{"datname"},
	values: []value{{
		family: gauge("pg_database_size_bytes",
			"Space on disk that the database takes. Read rarely: chronoops_postgres_view_age_seconds tells how long ago.", "datname"),
		expr: "pg_database_size(oid)",
	}},
	from: "FROM pg_database",
}
