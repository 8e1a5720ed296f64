package host

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// mount is a line of /proc/PID/mountinfo (Documentation/filesystems/proc.rst, section 3.5).
type mount struct {
	device       string // as the kernel escapes it, which is what node_exporter shows
	point        string
	fstype       string
	major, minor string
	readonly     bool
}

// parseMountinfo returns the mounts in their order.
func parseMountinfo(b []byte) ([]mount, error) {
	mounts := make([]mount, 0, bytes.Count(b, []byte("\n")))
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(line) == 0 {
			continue
		}
		m, err := parseMount(string(line))
		if err != nil {
			return nil, fmt.Errorf("mountinfo: %q: %w", line, err)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

func parseMount(line string) (m mount, err error) {
	left, right, ok := strings.Cut(line, " - ")
	fields, super := strings.Split(left, " "), strings.SplitN(right, " ", 3)
	if !ok || len(fields) < 6 || len(super) < 3 {
		return m, errors.New("too few fields")
	}
	if m.major, m.minor, ok = strings.Cut(fields[2], ":"); !ok {
		return m, errors.New("no device number")
	}
	for _, n := range []string{m.major, m.minor} {
		if _, err := parseUint([]byte(n)); err != nil {
			return m, fmt.Errorf("device number: %w", err)
		}
	}
	m.point = unescape(fields[4])
	m.fstype, m.device = super[0], super[1]
	m.readonly = hasOption(fields[5], "ro") || hasOption(super[2], "ro") || hasOption(super[2], "emergency_ro")
	return m, nil
}

func hasOption(options, option string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == option {
			return true
		}
	}
	return false
}

// unescape undoes the octal escapes of blanks and backslashes (mangle_path in fs/seq_file.c).
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := append([]byte(nil), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1]) < 4 && octal(s[i+2]) < 8 && octal(s[i+3]) < 8 {
			b = append(b, octal(s[i+1])<<6|octal(s[i+2])<<3|octal(s[i+3]))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// octal returns the value of an octal digit, 8 or more for anything else.
func octal(c byte) byte { return c - '0' }

// stripRoot returns the path as the host sees it when its root is mounted at root.
func stripRoot(path, root string) string {
	root = filepath.Clean(root)
	if root == "/" {
		return path
	}
	rest, ok := strings.CutPrefix(path, root)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return path
	case rest == "":
		return "/"
	default:
		return rest
	}
}
