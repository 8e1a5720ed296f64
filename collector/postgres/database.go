package postgres

// databaseView reads pg_database.
var databaseView = view{
	part: partDatabase, name: "database",
	labels: []string{"datname"},
	values: []value{
		{
			family: gauge("pg_database_connection_limit", "Most sessions the database accepts; -1 for no limit of its own.", "datname"),
			expr:   "datconnlimit",
		},
		{
			family: gauge("chronoops_postgres_database_transaction_id_age",
				"Transactions since the oldest one that is not frozen; the database stops at some 2 billion.", "datname"),
			expr: "age(datfrozenxid)",
		},
		{
			family: gauge("chronoops_postgres_database_multixact_id_age",
				"Multixacts since the oldest one that is not frozen; the database stops at some 2 billion.", "datname"),
			expr: "mxid_age(datminmxid)",
		},
	},
	from: "FROM pg_database",
}

// wraparoundView has the names of postgres_exporter.
var wraparoundView = view{
	part: partWraparound, name: "database_wraparound",
	labels: []string{"datname"},
	values: []value{
		{
			family: gauge("pg_database_wraparound_age_datfrozenxid_seconds",
				"Transactions, not seconds, since the oldest one that is not frozen: see chronoops_postgres_database_transaction_id_age.", "datname"),
			expr: "age(datfrozenxid)",
		},
		{
			family: gauge("pg_database_wraparound_age_datminmxid_seconds",
				"Multixacts, not seconds, since the oldest one that is not frozen: see chronoops_postgres_database_multixact_id_age.", "datname"),
			expr: "mxid_age(datminmxid)",
		},
	},
	from: "FROM pg_database WHERE datallowconn",
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
