// Package dashboards holds Grafana dashboards as plain JSON, and the builder that writes them.
package dashboards

import (
	"embed"
	"io/fs"
)

//go:embed *.json
var files embed.FS

// Files returns the dashboards as Grafana reads them, one file each.
func Files() fs.FS { return files }

// build returns all dashboards by file name.
func build() (map[string][]byte, error) {
	built := map[string][]byte{}
	for name, d := range map[string]dashboard{"overview.json": overview()} {
		b, err := encode(d)
		if err != nil {
			return nil, err
		}
		built[name] = b
	}
	return built, nil
}
