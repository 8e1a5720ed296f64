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
	open: func(s *sources) (reader, error) { return s.recordBonding, nil },
}

var (
	bondingSlaves = gauge("node_bonding_slaves", "Network devices that are part of the bonding device.", "master")
	bondingActive = gauge("node_bonding_active", "Network devices of the bonding device whose link is up.", "master")
)

// recordBonding reads sysfs (drivers/net/bonding/bond_sysfs.c). Devices that go away meanwhile are left out.
func (s *sources) recordBonding(w *collector.Writer) error {
	masters, err := s.attribute(s.sysPath("class/net/bonding_masters"))
	if err != nil {
		return err
	}
	var failed error
	for master := range strings.FieldsSeq(masters) {
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
