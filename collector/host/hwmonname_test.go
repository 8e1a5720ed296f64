package host

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// node_exporter's way with names, as oracles.
var (
	sensorFile  = regexp.MustCompile(`^([^0-9]+)([0-9]*)?(_(.+))?$`)
	invalidName = regexp.MustCompile(`[^a-z0-9:_]`)
)

func FuzzSensorName(f *testing.F) {
	for _, name := range append([]string{"temp_1x", "temp__1", "_1_", "pwm1_", "9_temp", "in007", "in99999999999999999999", "fan1_\n", "fan\n1", ""}, hwmonFiles...) {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := splitSensor(name)
		if strings.Contains(name, "\n") {
			return // the oracle's pattern ends there
		}
		var want sensorName
		wantOK := false
		if m := sensorFile.FindStringSubmatch(name); m != nil {
			want = sensorName{kind: m[1], element: m[4]}
			var err error
			if m[2] != "" {
				want.number, err = strconv.Atoi(m[2])
			}
			wantOK = err == nil && slices.Contains(sensorKinds, want.kind)
		}
		if ok != wantOK || ok && got != want {
			t.Errorf("%q is %+v (%v), want %+v (%v)", name, got, ok, want, wantOK)
		}
		if ok {
			got.declare(got.metric(true))
		}
		if clean := strings.Trim(invalidName.ReplaceAllLiteralString(strings.ToLower(name), "_"), "_"); cleanName(name) != clean {
			t.Errorf("%q cleaned is %q, want %q", name, cleanName(name), clean)
		}
	})
}

func FuzzZone(f *testing.F) {
	for _, zone := range []string{"package-0", "core", "a-b-1", "-1", "x-", "x-+3", "x--1", ""} {
		f.Add(zone)
	}
	f.Fuzz(func(t *testing.T, zone string) {
		want, index := zone, 5
		if parts := strings.Split(zone, "-"); len(parts) == 2 {
			if n, err := strconv.Atoi(parts[1]); err == nil {
				want, index = parts[0], n
			}
		}
		if name, i := splitZone(zone, map[string]int{zone: 5}); name != want || i != index {
			t.Errorf("%q is %q %d, want %q %d", zone, name, i, want, index)
		}
	})
}
