package host

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	selinuxEnabled = gauge("node_selinux_enabled", "1 if SELinux is enabled.")
	selinuxConfig  = gauge("node_selinux_config_mode", "Configured mode of SELinux: 1 enforcing, 0 permissive, -1 disabled.")
	selinuxCurrent = gauge("node_selinux_current_mode", "Mode that SELinux is in: 1 enforcing, 0 permissive.")
	selinuxArea    = area{name: "selinux", families: []*collector.Family{selinuxEnabled, selinuxConfig, selinuxCurrent}, open: openSELinux}
)

// selinuxMode returns the mode that /etc/selinux/config asks for.
func selinuxMode(config string) float64 {
	mode := ""
	for line := range strings.Lines(config) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "SELINUX="); ok {
			mode = strings.Trim(value, `"`)
			break
		}
	}
	switch mode {
	case "enforcing":
		return 1
	case "permissive":
		return 0
	default:
		return -1
	}
}

// openSELinux takes SELinux for enabled if its file system is mounted and a policy is loaded, before which every
// process has the context "kernel".
func openSELinux(s *sources) (reader, error) {
	enforce := s.keepSmall(s.sysPath("fs/selinux/enforce"))
	context := s.keepSmall(filepath.Join(s.o.ProcFS, "self/attr/current"))
	file := s.rootFile("/etc/selinux/config")
	configured := -1.
	return func(w *collector.Writer) error {
		current, err := s.number(enforce)
		if errors.Is(err, fs.ErrNotExist) {
			w.Add(selinuxEnabled, 0)
			return nil
		} else if err != nil {
			return err
		}
		if b, err := s.content(context); err == nil && string(bytes.Trim(b, "\x00\n")) == "kernel" {
			w.Add(selinuxEnabled, 0)
			return nil
		}
		w.Add(selinuxEnabled, 1)
		w.Add(selinuxCurrent, float64(current))
		b, changed, err := file.read()
		if err == nil && changed {
			configured = selinuxMode(string(b))
		} else if err != nil {
			configured = -1
		}
		w.Add(selinuxConfig, configured)
		return nil
	}, nil
}
