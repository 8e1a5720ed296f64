package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var bondingArea = area{
	name: "bonding", families: []*collector.Family{bondingSlaves, bondingActive},
	open: openBonding,
}

var (
	bondingSlaves = gauge("node_bonding_slaves", "Network devices that are part of the bonding device.", "master")
	bondingActive = gauge("node_bonding_active", "Network devices of the bonding device whose link is up.", "master")
)

func openBonding(s *sources) (reader, error) {
	masters := s.keepSmall(s.sysPath("class/net/bonding_masters"))
	return func(w *collector.Writer) error {
		b, err := s.content(masters)
		if err != nil {
			return err
		}
		return s.recordBonds(w, strings.Fields(string(b)))
	}, nil
}

// recordBonds reads sysfs (drivers/net/bonding/bond_sysfs.c). Devices that go away meanwhile are left out.
func (s *sources) recordBonds(w *collector.Writer, masters []string) error {
	var failed error
	for _, master := range masters {
		slaves, active, err := s.readBond(master)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failed = fmt.Errorf("bonding device %s: %w", master, err)
		default:
			w.Add(bondingSlaves, float64(slaves), master)
			w.Add(bondingActive, float64(active), master)
		}
	}
	return failed
}

func (s *sources) readBond(master string) (slaves, active int, err error) {
	names, err := s.attribute(s.sysPath("class/net", master, "bonding/slaves"))
	if err != nil {
		return 0, 0, err
	}
	for slave := range strings.FieldsSeq(names) {
		var status string
		for _, prefix := range []string{"lower_", "slave_"} { // the second before Linux 3.15
			status, err = s.attribute(s.sysPath("class/net", master, prefix+slave, "bonding_slave/mii_status"))
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return 0, 0, err
		}
		slaves++
		if status == "up" {
			active++
		}
	}
	return slaves, active, nil
}
