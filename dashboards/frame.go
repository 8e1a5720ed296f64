package dashboards

// frame is what all dashboards share: variables, annotations, links.
func frame(uid, title, description string, panels []panel) dashboard {
	return dashboard{
		UID: uid, Title: title, Description: description, Panels: panels,
		Tags: []string{"chronoops"}, SchemaVersion: schemaVersion, Refresh: "1m", Timezone: "browser", GraphTooltip: 1,
		Time: timeRange{From: "now-3h", To: "now"},
		Templating: variables{List: []variable{
			{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1},
			labelVariable("job", "Job", `label_values(up{job=~"chronoops.*"}, job)`),
			labelVariable("instance", "Instance", `label_values(up{job=~"$job"}, instance)`),
		}},
		Annotations: annotations{List: []annotation{
			{
				Name: "Alerts", Datasource: prometheus, Enable: true, Step: minInterval, IconColor: "red",
				Expr:        `ALERTS{alertstate="firing", alertname!="Watchdog", ` + scope + `}`,
				TitleFormat: "{{alertname}}", TextFormat: "{{instance}} {{priority}}", TagKeys: "severity,domain",
			},
			{
				Name: "Repairs", Datasource: prometheus, Enable: true, Step: minInterval, IconColor: "blue",
				Expr:        `changes(chronoops_repair_last_timestamp_seconds{` + scope + `}[1m]) > 0`,
				TitleFormat: "Repair of {{resource}}", TextFormat: "{{policy}}", TagKeys: "policy",
			},
		}},
		Links: []link{{
			Title: "chronoops", Type: "dashboards", Tags: []string{"chronoops"}, AsDropdown: true, KeepTime: true, IncludeVars: true,
		}},
	}
}

func labelVariable(name, label, query string) variable {
	return variable{
		Name: name, Label: label, Type: "query", Datasource: &prometheus, Definition: query,
		Query:   map[string]any{"query": query, "refId": "variable-" + name},
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".+",
	}
}
