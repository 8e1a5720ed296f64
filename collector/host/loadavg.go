package host

import (
	"fmt"
	"math"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

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

func (k *Kernel) recordLoad(w *collector.Writer) (err error) {
	if k.buf, err = k.loadavg.read(k.buf); err != nil {
		return err
	}
	loads, err := parseLoad(k.buf)
	if err != nil {
		return err
	}
	for i, f := range loadFamilies {
		w.Add(f, loads[i])
	}
	return nil
}
