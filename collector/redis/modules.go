package redis

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var moduleInfo = &collector.Family{
	Name: "redis_module_info", Type: collector.Gauge, Labels: []string{"name", "ver", "api", "filters", "usedby", "using"},
	Help: "Always 1; a module that the server has loaded.",
}

func modulesFamilies() []*collector.Family {
	list := []*collector.Family{moduleInfo}
	for _, table := range moduleTables() {
		for _, f := range table {
			list = append(list, f.family)
		}
	}
	return list
}

// writeModules records the loaded modules and what they tell about themselves, in sections of their own.
func (c *Collector) writeModules(w *collector.Writer, s *scrape) error {
	if !s.id.modules {
		return nil
	}
	for _, sec := range s.info {
		if sec.tallies() {
			continue
		}
		for line := sec.scan(); line.next(); {
			if line.key == "module" {
				writeModule(w, line.value)
			} else if f, ok := c.moduleFields[line.key]; ok {
				f.add(w, line.value)
			}
		}
	}
	return nil
}

// writeModule records "name=search,ver=80201,api=1,filters=0,usedby=[],using=[ReJSON],options=[handle-io-errors]".
func writeModule(w *collector.Writer, value string) {
	var name, ver, api, filters, usedBy, using string
	for p := (pairs{rest: value}); p.next(); {
		switch p.key {
		case "name":
			name = p.value
		case "ver":
			ver = p.value
		case "api":
			api = p.value
		case "filters":
			filters = p.value
		case "usedby":
			usedBy = p.value
		case "using":
			using = p.value
		}
	}
	w.Add(moduleInfo, 1, name, ver, api, filters, usedBy, using)
}

func underscored(s string) string { return strings.ReplaceAll(s, "-", "_") }
