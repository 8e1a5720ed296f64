package host

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

const (
	micros = 1e6         // in a second
	nanos  = 1e9         // in a second
	scaled = 1e6 * 65536 // frequencies of adjtimex(2) are parts per million with 16 bits of fraction
)

// timexValue is what is taken of adjtimex(2); unit is how many microseconds or nanoseconds a second of offset has.
type timexValue struct {
	family *collector.Family
	value  func(t *unix.Timex, unit float64) float64
}

var timexValues = []timexValue{
	{
		gauge("node_timex_offset_seconds", "Offset between the clock and its reference."),
		func(t *unix.Timex, unit float64) float64 { return float64(t.Offset) / unit },
	},
	{
		gauge("node_timex_frequency_adjustment_ratio", "Factor by which the clock's frequency is adjusted."),
		func(t *unix.Timex, _ float64) float64 { return 1 + float64(t.Freq)/scaled },
	},
	{
		gauge("node_timex_maxerror_seconds", "Largest error the clock may have."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Maxerror) / micros },
	},
	{
		gauge("node_timex_estimated_error_seconds", "Error that the clock is estimated to have."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Esterror) / micros },
	},
	{
		gauge("node_timex_status", "Status bits of the clock (STA_* of adjtimex(2))."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Status) },
	},
	{
		gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Constant) },
	},
	{
		gauge("node_timex_tick_seconds", "Time between ticks of the clock."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Tick) / micros },
	},
	{
		gauge("node_timex_pps_frequency_hertz", "Frequency of the pulse-per-second signal."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Ppsfreq) / scaled },
	},
	{
		gauge("node_timex_pps_jitter_seconds", "Jitter of the pulse-per-second signal."),
		func(t *unix.Timex, unit float64) float64 { return float64(t.Jitter) / unit },
	},
	{
		gauge("node_timex_pps_shift_seconds", "Length of a calibration interval of the pulse-per-second signal, as a power of two."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Shift) },
	},
	{
		gauge("node_timex_pps_stability_hertz", "Average of the latest frequency changes of the pulse-per-second signal."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Stabil) / scaled },
	},
	{
		counter("node_timex_pps_jitter_total", "Pulses whose jitter was too large."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Jitcnt) },
	},
	{
		counter("node_timex_pps_calibration_total", "Calibration intervals of the pulse-per-second signal."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Calcnt) },
	},
	{
		counter("node_timex_pps_error_total", "Calibrations that failed."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Errcnt) },
	},
	{
		counter("node_timex_pps_stability_exceeded_total", "Calibrations whose frequency change was too large."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Stbcnt) },
	},
	{
		gauge("node_timex_tai_offset_seconds", "Offset between International Atomic Time and UTC."),
		func(t *unix.Timex, _ float64) float64 { return float64(t.Tai) },
	},
}

var (
	timexSync = gauge("node_timex_sync_status", "1 if the clock is synchronized to a reference.")
	timexArea = area{name: "timex", families: timexFamilies, open: openTimex}
)

var timexFamilies = func() []*collector.Family {
	fs := []*collector.Family{timexSync}
	for _, v := range timexValues {
		fs = append(fs, v.family)
	}
	return fs
}()

func openTimex(s *sources) (reader, error) {
	t := new(unix.Timex)
	return func(w *collector.Writer) error {
		*t = unix.Timex{}
		state, err := s.adjtimex(t)
		if errors.Is(err, fs.ErrPermission) { // a container's filter of system calls
			return fmt.Errorf("%w: adjtimex: %w", collector.ErrNoData, err)
		} else if err != nil {
			return fmt.Errorf("adjtimex: %w", err)
		}
		unit := micros
		if t.Status&unix.STA_NANO != 0 {
			unit = nanos
		}
		w.Add(timexSync, bool01(state != unix.TIME_ERROR))
		for _, v := range timexValues {
			w.Add(v.family, v.value(t, unit))
		}
		return nil
	}, nil
}
