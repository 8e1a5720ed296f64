// Package rules holds the alert rules that fit what chronoops exposes, and a runbook for each alert.
package rules

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
)

// Version is the version of the bundle. It follows the names of alerts, labels and recorded series: the first number
// changes when one of them goes or changes its meaning. The rule chronoops_rules_info carries the same.
const Version = "1.0.0"

// RunbookBase is where the runbook_url annotations point to; an alert's name follows it.
const RunbookBase = "http://localhost:9847/runbooks/"

//go:embed v1/*.yml runbooks/*.md
var files embed.FS

// Files returns the rule files as Prometheus loads them: host.yml, postgres.yml and so on.
func Files() fs.FS {
	sub, err := fs.Sub(files, "v1")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

var alertName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

// Runbook returns the Markdown text that tells what to do about an alert.
func Runbook(alert string) ([]byte, error) {
	if !alertName.MatchString(alert) {
		return nil, fmt.Errorf("runbook %q: %w", alert, fs.ErrNotExist)
	}
	return files.ReadFile("runbooks/" + alert + ".md")
}
