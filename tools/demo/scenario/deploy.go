package scenario

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/chronoops/chronoops/deploy"
	"github.com/chronoops/chronoops/rules"
)

// deploy gives Prometheus and Alertmanager the shipped files with the demo's addresses and a faster pace.
func (w *world) deploy(ctx context.Context) error {
	addr := strings.TrimPrefix(w.url, "http://")
	am, err := substitute(deploy.Alertmanager,
		deploy.Address, addr,
		"127.0.0.1:25", w.pages.mailServer(), // no mail leaves the demo
		"group_wait: 5s", "group_wait: 1s",
		"group_interval: 30s", "group_interval: 1s",
	)
	if err != nil {
		return err
	}
	prom, err := substitute(deploy.Prometheus,
		deploy.Address, addr,
		deploy.PrometheusAddress, w.prom.Addr,
		deploy.AlertmanagerAddress, w.am.Addr,
		"scrape_interval: 15s", "scrape_interval: 1s",
		"scrape_timeout: 10s", "scrape_timeout: 1s",
		"evaluation_interval: 15s", "evaluation_interval: 1s",
		"refresh_interval: 30s", "refresh_interval: 1s",
	)
	if err != nil {
		return err
	}
	prom += fmt.Sprintf("\n  - job_name: %s\n    static_configs:\n      - targets: ['%s']\n", areaJob, w.area.addr())

	token, err := os.ReadFile(w.path("webhook.token"))
	if err != nil {
		return err
	}
	if err := write(w.am.Dir, map[string]string{"config.yml": am, deploy.TokenFile: string(token)}); err != nil {
		return err
	}
	if err := w.am.Reload(ctx); err != nil {
		return err
	}
	files, err := shortened()
	if err != nil {
		return err
	}
	files["config.yml"] = prom
	if err := write(w.prom.Dir, files); err != nil {
		return err
	}
	return w.prom.Reload(ctx)
}

// substitute replaces each text by the next; one that is not there is an error, as the shipped file has changed.
func substitute(text string, pairs ...string) (string, error) {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			return "", fmt.Errorf("the shipped configuration does not hold %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// pace is how long the alerts that the demo causes must last before they fire. All other rules keep what is shipped.
var pace = map[string]string{tooMany: "2s", apiDown: "2s", diskLow: "2s"}

// shortened returns the shipped rules by the name of their files, with the demo's pace.
func shortened() (map[string]string, error) {
	files := map[string]string{}
	left := len(pace)
	shipped := rules.Files()
	names, err := fs.Glob(shipped, "*.yml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(shipped, name)
		if err != nil {
			return nil, err
		}
		text, n := shorten(string(b), pace)
		left -= n
		files[filepath.Join(filepath.Dir(deploy.RulesPattern), name)] = text
	}
	if left != 0 {
		return nil, fmt.Errorf("%d of the demo's alerts have no `for` in the shipped rules", left)
	}
	return files, nil
}

var (
	ruleLine = regexp.MustCompile(`^ *- (alert|record): *(\S+) *$`)
	forLine  = regexp.MustCompile(`^( *for: *)\S+ *$`)
)

// shorten sets the `for` of the named alerts, in rules as they are shipped: one key a line. It returns how many it has set.
func shorten(text string, pace map[string]string) (string, int) {
	var b strings.Builder
	alert, n := "", 0
	for line := range strings.Lines(text) {
		bare := strings.TrimSuffix(line, "\n")
		if m := ruleLine.FindStringSubmatch(bare); m != nil {
			alert = ""
			if m[1] == "alert" {
				alert = m[2]
			}
		} else if m := forLine.FindStringSubmatch(bare); m != nil && pace[alert] != "" {
			line = m[1] + pace[alert] + "\n"
			n++
		}
		b.WriteString(line)
	}
	return b.String(), n
}

func write(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
