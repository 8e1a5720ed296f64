package host

import (
	"fmt"

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

func openUname(s *sources) (reader, error) {
	return func(w *collector.Writer) error {
		u, err := s.uname()
		if err != nil {
			return err
		}
		w.Add(unameInfo, 1, u.sysname, u.release, u.version, u.machine, u.nodename, u.domainname)
		return nil
	}, nil
}
