package host

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var unameArea = area{name: "uname", families: []*collector.Family{unameInfo}, open: openUname}

var unameInfo = gauge("node_uname_info", "What uname(2) tells about the system.",
	"sysname", "release", "version", "machine", "nodename", "domainname")

type utsname struct{ sysname, release, version, machine, nodename, domainname string }

func uname() (utsname, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return utsname{}, fmt.Errorf("uname: %w", err)
	}
	s := unix.ByteSliceToString
	return utsname{s(u.Sysname[:]), s(u.Release[:]), s(u.Version[:]), s(u.Machine[:]), s(u.Nodename[:]), s(u.Domainname[:])}, nil
}

// openUname takes the host's name from its root file system in a container that has a name of its own.
func openUname(s *sources) (reader, error) {
	hostname := s.rootFile("/etc/hostname")
	sameName, err := s.o.sharesNamespace("uts") // as in Kubernetes with the host's network
	inContainer := filepath.Clean(s.o.RootFS) != "/" && (err != nil || !sameName)
	name := ""
	return func(w *collector.Writer) error {
		u, err := s.uname()
		if err != nil {
			return err
		}
		if inContainer {
			b, changed, err := hostname.read()
			if err != nil {
				name = ""
			} else if changed {
				name = parseHostname(string(b))
			}
			u.nodename = cmp.Or(name, u.nodename)
		}
		w.Add(unameInfo, 1, u.sysname, u.release, u.version, u.machine, u.nodename, u.domainname)
		return nil
	}, nil
}

// parseHostname reads hostname(5).
func parseHostname(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line
		}
	}
	return ""
}
