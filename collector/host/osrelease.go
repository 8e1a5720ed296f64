package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var (
	osInfo = gauge("node_os_info", "What os-release tells about the operating system.",
		"build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version",
		"version_codename", "version_id")
	osVersion    = gauge("node_os_version", "The first two numbers of the operating system's version.", "id", "id_like", "name")
	osSupportEnd = gauge("node_os_support_end_timestamp_seconds", "When the operating system's support ends, in Unix time.")
	osArea       = area{name: "os", families: []*collector.Family{osInfo, osVersion, osSupportEnd}, open: openOS}
)

// osRelease is os-release(5), by field.
type osRelease map[string]string

// parseOSRelease reads assignments as a shell would, without expansions. Other lines are left out.
func parseOSRelease(text string) osRelease {
	r := make(osRelease)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && name != "" && !strings.HasPrefix(name, "#") {
			r[name] = unquote(value)
		}
	}
	return r
}

// unquote undoes the quotes of a shell.
func unquote(s string) string {
	if !strings.ContainsAny(s, `"'\`) {
		return s
	}
	var out strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '\\' && quote != '\'' && i+1 < len(s) && (quote == 0 || strings.IndexByte("\"\\$`", s[i+1]) >= 0):
			i++
			out.WriteByte(s[i])
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// version returns the number that VERSION_ID begins with, up to a second dot; 0 if there is none.
func (r osRelease) version() float64 {
	id, end, dots := r["VERSION_ID"], 0, 0
	for end < len(id) && (id[end] >= '0' && id[end] <= '9' || id[end] == '.' && end > 0 && dots == 0) {
		if id[end] == '.' {
			dots++
		}
		end++
	}
	v, err := strconv.ParseFloat(id[:end], 64)
	if err != nil {
		return 0
	}
	return v
}

func (r osRelease) record(w *collector.Writer) error {
	w.Add(osInfo, 1, r["BUILD_ID"], r["ID"], r["ID_LIKE"], r["IMAGE_ID"], r["IMAGE_VERSION"], r["NAME"], r["PRETTY_NAME"],
		r["VARIANT"], r["VARIANT_ID"], r["VERSION"], r["VERSION_CODENAME"], r["VERSION_ID"])
	if v := r.version(); v > 0 {
		w.Add(osVersion, v, r["ID"], r["ID_LIKE"], r["NAME"])
	}
	if end := r["SUPPORT_END"]; end != "" {
		day, err := time.Parse(time.DateOnly, end)
		if err != nil {
			return fmt.Errorf("os-release: SUPPORT_END: %w", err)
		}
		w.Add(osSupportEnd, float64(day.Unix()))
	}
	return nil
}

func openOS(s *sources) (reader, error) {
	files := []*rootFile{s.rootFile("/etc/os-release"), s.rootFile("/usr/lib/os-release")}
	releases := make([]osRelease, len(files))
	return func(w *collector.Writer) error {
		var missing error
		for i, f := range files {
			b, changed, err := f.read()
			if errors.Is(err, fs.ErrNotExist) {
				missing = err
				continue
			} else if err != nil {
				return err
			}
			if changed || releases[i] == nil {
				releases[i] = parseOSRelease(string(b))
			}
			return releases[i].record(w)
		}
		return missing
	}, nil
}
