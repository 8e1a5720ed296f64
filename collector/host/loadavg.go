package host

import (
	"fmt"
	"math"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var loadArea = area{name: "loadavg", families: loadFamilies, open: openLoad}

var loadFamilies = []*collector.Family{
	gauge("node_load1", "Tasks running or in uninterruptible sleep, averaged over 1 minute."),
	gauge("node_load5", "Tasks running or in uninterruptible sleep, averaged over 5 minutes."),
	gauge("node_load15", "Tasks running or in uninterruptible sleep, averaged over 15 minutes."),
}

// parseLoad reads /proc/loadavg (fs/proc/loadavg.c).
func parseLoad(b []byte) (loads [3]float64, err error) {
	for i := range loads {
		var f []byte
		f, b = cutField(b)
		loads[i], err = strconv.ParseFloat(string(f), 64)
		if err != nil || math.IsNaN(loads[i]) {
			return loads, fmt.Errorf("/proc/loadavg: %q is not a load", f)
		}
	}
	return loads, nil
}

func openLoad(s *sources) (reader, error) {
	f := s.proc("loadavg")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		loads, err := parseLoad(b)
		if err != nil {
			return err
		}
		for i, f := range loadFamilies {
			w.Add(f, loads[i])
		}
		return nil
	}, nil
}
