package host

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	edacCorrectable        = counter("node_edac_correctable_errors_total", "Memory errors of the controller that were corrected.", "controller")
	edacUncorrectable      = counter("node_edac_uncorrectable_errors_total", "Memory errors of the controller that could not be corrected.", "controller")
	edacRowCorrectable     = counter("node_edac_csrow_correctable_errors_total", "Memory errors of the row that were corrected; those of no known row are in row unknown.", "controller", "csrow")
	edacRowUncorrectable   = counter("node_edac_csrow_uncorrectable_errors_total", "Memory errors of the row that could not be corrected; those of no known row are in row unknown.", "controller", "csrow")
	edacChannelCorrectable = counter("node_edac_channel_correctable_errors_total", "Memory errors of the channel that were corrected.",
		"controller", "csrow", "channel", "dimm_label")
	edacChannelUncorrectable = counter("node_edac_channel_uncorrectable_errors_total", "Memory errors of the channel that could not be corrected.",
		"controller", "csrow", "channel", "dimm_label")
)

var edacArea = area{
	name: "edac", open: openEDAC,
	families: []*collector.Family{
		edacCorrectable, edacUncorrectable, edacRowCorrectable, edacRowUncorrectable, edacChannelCorrectable, edacChannelUncorrectable,
	},
}

// edacRow is a row of chips with its channels.
type edacRow struct {
	path, number string
	channels     []edacChannel
}

type edacChannel struct{ number, label string }

// edacCounter is a file and what it counts.
type edacCounter struct {
	file   string
	family *collector.Family
	labels []string
}

// openEDAC reads the error counters of memory controllers (Documentation/admin-guide/ras.rst).
func openEDAC(s *sources) (reader, error) {
	controllers := make(devices[[]edacRow])
	return func(w *collector.Writer) error {
		dir := s.sysPath("devices/system/edac/mc")
		names, err := s.dir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer controllers.forget(s)
		var failed failures
		record := func(path string, counters ...edacCounter) {
			for _, c := range counters {
				if n, err := s.integer(path+c.file, 10); failed.add(err) {
					w.Add(c.family, n, c.labels...)
				}
			}
		}
		for _, name := range names {
			mc, ok := numbered(name, "mc")
			if !ok {
				continue
			}
			rows, err := controllers.get(s, dir+"/"+name, s.edacRows)
			if !failed.add(err) {
				continue
			}
			record(
				dir+"/"+name,
				edacCounter{"/ce_count", edacCorrectable, []string{mc}},
				edacCounter{"/ue_count", edacUncorrectable, []string{mc}},
				edacCounter{"/ce_noinfo_count", edacRowCorrectable, []string{mc, "unknown"}},
				edacCounter{"/ue_noinfo_count", edacRowUncorrectable, []string{mc, "unknown"}},
			)
			for _, row := range rows {
				labels := []string{mc, row.number}
				record(row.path, edacCounter{"/ce_count", edacRowCorrectable, labels}, edacCounter{"/ue_count", edacRowUncorrectable, labels})
				for _, c := range row.channels {
					labels := []string{mc, row.number, c.number, c.label}
					record(row.path+"/ch"+c.number, edacCounter{"_ce_count", edacChannelCorrectable, labels}, edacCounter{"_ue_count", edacChannelUncorrectable, labels})
				}
			}
		}
		return failed.err()
	}, nil
}

func (s *sources) edacRows(controller string) (rows []edacRow, err error) {
	names, err := readDir(controller)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		number, ok := numbered(name, "csrow")
		if !ok {
			continue
		}
		row := edacRow{path: controller + "/" + name, number: number}
		files, err := readDir(row.path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if number, ok := strings.CutSuffix(file, "_ce_count"); ok {
				if number, ok = numbered(number, "ch"); ok {
					row.channels = append(row.channels, edacChannel{number, s.dimmLabel(row.path + "/ch" + number + "_dimm_label")})
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// dimmLabel is how the kernel labels a module, with the separators that node_exporter makes of its own ones.
func (s *sources) dimmLabel(path string) string {
	label, err := s.attribute(path)
	if err != nil {
		return "unknown"
	}
	return strings.NewReplacer("#", "", "csrow", "_csrow", "channel", "_channel").Replace(label)
}
