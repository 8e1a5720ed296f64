package notify

import (
	"strings"

	"github.com/prometheus/common/config"
)

// SetDirectory makes relative file names relative to dir, the folder of the configuration file, as Alertmanager does.
func (c *Config) SetDirectory(dir string) {
	joinFiles(map[string]any(c.Global), dir)
	for i := range c.Contacts {
		joinFiles(c.Contacts[i].Integrations, dir)
		if s := c.Contacts[i].Slack; s != nil {
			s.TokenFile = config.JoinDir(dir, s.TokenFile)
		}
	}
}

// SetDirectory makes a relative file name relative to dir, the folder of the configuration file.
func (c *HeartbeatConfig) SetDirectory(dir string) { c.URLFile = config.JoinDir(dir, c.URLFile) }

// joinFiles changes every value whose key names a file; all of Alertmanager's end alike.
func joinFiles(v any, dir string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			name, ok := value.(string)
			if ok && strings.HasSuffix(key, "_file") {
				v[key] = config.JoinDir(dir, name)
				continue
			}
			joinFiles(value, dir)
		}
	case []any:
		for _, item := range v {
			joinFiles(item, dir)
		}
	}
}
