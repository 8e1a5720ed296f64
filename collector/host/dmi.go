package host

import (
	"errors"
	"io/fs"

	"github.com/chronoops/chronoops/collector"
)

// dmiFields are the files of /sys/class/dmi/id, which are labels too.
var dmiFields = []string{
	"bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial", "board_vendor",
	"board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name",
	"product_serial", "product_sku", "product_uuid", "product_version", "system_vendor",
}

var dmiInfo = gauge("node_dmi_info", "What the firmware tells about the machine; serial numbers only to root.", dmiFields...)

var dmiArea = area{name: "dmi", families: []*collector.Family{dmiInfo}, open: openDMI}

// openDMI reads the firmware's tables once: they do not change before the next boot.
func openDMI(s *sources) (reader, error) {
	var values []string
	return func(w *collector.Writer) (err error) {
		if values == nil {
			if values, err = s.dmi(); err != nil {
				return err
			}
		}
		w.Add(dmiInfo, 1, values...)
		return nil
	}, nil
}

func (s *sources) dmi() ([]string, error) {
	dir := s.sysPath("class/dmi/id")
	files, err := s.dir(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, collector.ErrNoData
	}
	values := make([]string, len(dmiFields))
	for i, name := range dmiFields {
		if name == "system_vendor" {
			name = "sys_vendor"
		}
		values[i], err = s.attribute(dir + "/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
	}
	return values, nil
}
