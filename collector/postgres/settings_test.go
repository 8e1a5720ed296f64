package postgres

import (
	"math"
	"strings"
	"testing"
)

func TestSettingValue(t *testing.T) {
	for _, test := range []struct {
		setting, unit, vartype string
		want                   float64
		base                   string
		bad                    bool
	}{
		{setting: "on", vartype: "bool", want: 1},
		{setting: "off", vartype: "bool", want: 0},
		{setting: "maybe", vartype: "bool", bad: true},
		{setting: "100", vartype: "integer", want: 100},
		{setting: "0.9", vartype: "real", want: 0.9},
		{setting: "7", unit: "ms", vartype: "integer", want: 0.007, base: "seconds"},
		{setting: "300", unit: "s", vartype: "integer", want: 300, base: "seconds"},
		{setting: "2", unit: "min", vartype: "integer", want: 120, base: "seconds"},
		{setting: "2", unit: "h", vartype: "integer", want: 7200, base: "seconds"},
		{setting: "2", unit: "d", vartype: "integer", want: 172800, base: "seconds"},
		{setting: "5", unit: "us", vartype: "integer", want: 5e-6, base: "seconds"},
		{setting: "4096", unit: "kB", vartype: "integer", want: 4 << 20, base: "bytes"},
		{setting: "16384", unit: "8kB", vartype: "integer", want: 128 << 20, base: "bytes"},
		{setting: "2", unit: "16MB", vartype: "integer", want: 32 << 20, base: "bytes"},
		{setting: "1024", unit: "MB", vartype: "integer", want: 1 << 30, base: "bytes"},
		{setting: "1", unit: "TB", vartype: "integer", want: 1 << 40, base: "bytes"},
		{setting: "80", unit: "B", vartype: "integer", want: 80, base: "bytes"},
		{setting: "-1", unit: "8kB", vartype: "integer", want: -1, base: "bytes"},
		{setting: "25MB", unit: "MB", vartype: "integer", want: 25 << 20, base: "bytes"}, // as on Aurora
		{setting: "1", unit: "parsec", vartype: "integer", bad: true},
		{setting: "1", unit: "0kB", vartype: "integer", bad: true},
		{setting: "", unit: "kB", vartype: "integer", bad: true},
		{setting: "much", vartype: "real", bad: true},
	} {
		got, base, ok := settingValue(test.setting, test.unit, test.vartype)
		if ok == test.bad || ok && (got != test.want || base != test.base) {
			t.Errorf("settingValue(%q, %q, %q) = %v, %q, %v", test.setting, test.unit, test.vartype, got, base, ok)
		}
	}
}

func FuzzSettingValue(f *testing.F) {
	f.Add("16384", "8kB", "integer")
	f.Add("on", "", "bool")
	f.Add("0.5", "ms", "real")
	f.Fuzz(func(t *testing.T, setting, unit, vartype string) {
		v, base, ok := settingValue(setting, unit, vartype)
		if !ok {
			return
		}
		if base != "" && base != "bytes" && base != "seconds" {
			t.Errorf("base unit %q", base)
		}
		if vartype == "bool" && v != 0 && v != 1 {
			t.Errorf("a switch is %v", v)
		}
		if base == "" && unit != "" && vartype != "bool" {
			t.Errorf("unit %q was dropped", unit)
		}
		if math.IsNaN(v) && !strings.Contains(strings.ToLower(setting), "nan") && !strings.Contains(strings.ToLower(setting), "inf") {
			t.Errorf("%q is no number", setting)
		}
	})
}

func TestVersions(t *testing.T) {
	for in, want := range map[string]int{"15.18 (Debian 15.18-0+deb12u1)": 15, "18beta1": 18, "13.0": 13, "16": 16, "": 0, "EDB": 0} {
		if got, err := majorVersion(in); got != want || (err != nil) != (want == 0) {
			t.Errorf("majorVersion(%q) = %d, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu": "15.18.0",
		"PostgreSQL 18beta1 on x86_64":                                     "18.0.0",
		"EnterpriseDB 13.4.8 on x86_64":                                    "13.4.8",
		"":                                                                 "",
	} {
		if got := shortVersion(in); got != want {
			t.Errorf("shortVersion(%q) = %q, want %q", in, got, want)
		}
	}
}
