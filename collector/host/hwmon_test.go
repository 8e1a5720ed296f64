package host

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

func TestHwmonFailures(t *testing.T) {
	m := newMachine(t, Defaults(), `
		class/hwmon/hwmon0/temp1_input 42000
		class/hwmon/hwmon0/temp2_input `+failing+`
		class/hwmon/hwmon0/temp3_input `+refused+`
		class/hwmon/hwmon0/temp4_input N/A
		class/hwmon/hwmon0/fan1_label `+failing+`
		class/hwmon/hwmon0/temp2_label broken
		class/hwmon/hwmon0/power/control auto
		class/hwmon/hwmon0/name board
		class/hwmon/hwmon1/in0_input `+failing+`
		class/hwmon/hwmon2 -> devices/gone
		class/hwmon/uevent no folder
	`)
	m.expect("hwmon", true, `
		node_hwmon_chip_names{chip="board",chip_name="board"} 1
		node_hwmon_sensor_label{chip="board",label="broken",sensor="temp2"} 1
		node_hwmon_temp_celsius{chip="board",sensor="temp1"} 42
	`)
	m.write("class/hwmon/hwmon0/temp2_input 43000")
	m.expect("hwmon", true, `
		node_hwmon_chip_names{chip="board",chip_name="board"} 1
		node_hwmon_sensor_label{chip="board",label="broken",sensor="temp2"} 1
		node_hwmon_temp_celsius{chip="board",sensor="temp1"} 42
		node_hwmon_temp_celsius{chip="board",sensor="temp2"} 43
	`)
}

func TestHwmonFilters(t *testing.T) {
	const files = `
		class/hwmon/hwmon0/name board
		class/hwmon/hwmon0/temp1_input 1000
		class/hwmon/hwmon0/temp2_input 2000
		class/hwmon/hwmon1/name disk
		class/hwmon/hwmon1/temp1_input 3000
	`
	const (
		names = `node_hwmon_chip_names{chip="board",chip_name="board"} 1` + "\n"
		disk  = `node_hwmon_chip_names{chip="disk",chip_name="disk"} 1` + "\n"
		one   = `node_hwmon_temp_celsius{chip="board",sensor="temp1"} 1` + "\n"
		two   = `node_hwmon_temp_celsius{chip="board",sensor="temp2"} 2` + "\n"
		three = `node_hwmon_temp_celsius{chip="disk",sensor="temp1"} 3` + "\n"
	)
	for name, test := range map[string]struct {
		set  func(o *Options)
		want string
	}{
		"all":              {func(*Options) {}, names + disk + one + two + three},
		"chips":            {func(o *Options) { o.HwmonChips.Exclude = "^disk$" }, names + one + two},
		"only chips":       {func(o *Options) { o.HwmonChips.Include = "^disk$" }, disk + three},
		"sensors":          {func(o *Options) { o.HwmonSensors.Exclude = "^board;temp2$" }, names + disk + one + three},
		"only sensors":     {func(o *Options) { o.HwmonSensors.Include = ";temp1$" }, names + disk + one + three},
		"chips, both ways": {func(o *Options) { o.HwmonChips = Filter{Include: ".", Exclude: "board"} }, disk + three},
	} {
		t.Run(name, func(t *testing.T) {
			o := Defaults()
			test.set(&o)
			newMachine(t, o, files).expect("hwmon", true, test.want)
		})
	}
}

// TestHwmonMoves gives a chip another number, a device another chip, and a sensor another label.
func TestHwmonMoves(t *testing.T) {
	m := newMachine(t, Defaults(), `
		devices/platform/a/hwmon/hwmon0/temp1_input 1000
		devices/platform/a/hwmon/hwmon0/temp1_label old
		devices/platform/a/hwmon/hwmon0/device -> devices/platform/a
		devices/platform/b/hwmon/hwmon1/temp1_input 2000
		devices/platform/b/hwmon/hwmon1/device -> devices/platform/b
		class/hwmon/hwmon0 -> devices/platform/a/hwmon/hwmon0
		class/hwmon/hwmon1 -> devices/platform/b/hwmon/hwmon1
	`)
	first := `
		node_hwmon_sensor_label{chip="platform_a",label="old",sensor="temp1"} 1
		node_hwmon_temp_celsius{chip="platform_a",sensor="temp1"} 1
		node_hwmon_temp_celsius{chip="platform_b",sensor="temp1"} 2
	`
	m.expect("hwmon", true, first)
	m.write("devices/platform/a/hwmon/hwmon0/temp1_label new")
	m.expect("hwmon", true, first) // words are looked up once a minute
	m.now = m.now.Add(lookAgain)
	m.expect("hwmon", true, strings.Replace(first, "old", "new", 1))

	m.remove("class/hwmon/hwmon0")
	m.write("class/hwmon/hwmon0 -> devices/platform/b/hwmon/hwmon1\n")
	m.remove("class/hwmon/hwmon1")
	m.expect("hwmon", true, `node_hwmon_temp_celsius{chip="platform_b",sensor="temp1"} 2`+"\n")
	m.write("class/hwmon/hwmon1 -> devices/platform/b/hwmon/hwmon1\n")
	text, _ := m.samples()
	for _, want := range []string{`chip="platform_b_hwmon0"`, `chip="platform_b_hwmon1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s although two chips have one device and no name:\n%s", want, text)
		}
	}
}

// TestEveryAttribute holds us against node_exporter on a machine that has every file of a declared family.
func TestEveryAttribute(t *testing.T) {
	var files strings.Builder
	n := 0
	file := func(path string) {
		n++
		fmt.Fprintf(&files, "%s %d\n", path, n*1237)
	}
	for _, name := range hwmonFiles {
		file("devices/platform/chip.0/hwmon/hwmon0/" + name)
	}
	file("devices/platform/chip.0/hwmon/hwmon0/freq1_label")
	file("devices/platform/chip.0/hwmon/hwmon0/name")
	for i, kind := range sensorKinds { // elements that no driver has, too
		for _, element := range []string{"", "_input", "_label", "_strange-Element", "_average_max", "_alarm", "_min_alarm", "_x2y"} {
			// node_exporter gives HELP texts to these that differ from chip to chip, and then drops them.
			if element == "" && slices.Contains([]string{"curr", "energy", "humidity", "in", "power"}, kind) {
				continue
			}
			// The label of a frequency becomes that of its other elements, or not, from scrape to scrape.
			if element == "_label" && kind == "freq" {
				continue
			}
			file(fmt.Sprintf("devices/platform/chip.1/hwmon/hwmon1/%s%d%s", kind, i, element))
			file(fmt.Sprintf("devices/platform/chip.2/%s_%d%s", kind, i, element)) // digits that belong to the element
		}
	}
	for i := range 3 {
		fmt.Fprintf(&files, "devices/platform/chip.%[1]d/hwmon/hwmon%[1]d/device -> devices/platform/chip.%[1]d\n", i)
		fmt.Fprintf(&files, "class/hwmon/hwmon%[1]d -> devices/platform/chip.%[1]d/hwmon/hwmon%[1]d\n", i)
	}
	for class, attributes := range map[string]attributeClass{"power_supply/BAT1": powerSupplies, "watchdog/watchdog0": watchdogs} {
		for _, name := range slices.Concat(slices.Sorted(maps.Keys(attributes.numbers)), attributes.words) {
			file("class/" + class + "/" + name)
		}
	}
	for _, name := range dmiFields {
		fmt.Fprintf(&files, "class/dmi/id/%s  some %s \n", strings.Replace(name, "system_", "sys_", 1), name)
	}
	for i, zone := range []string{"package-0", "core", "core", "dram-x", "psys", "a-1", "a-b-2", "we_-ird--zone", "x-+3"} {
		fmt.Fprintf(&files, "class/powercap/zone%d/name %s\n", i, zone)
		file(fmt.Sprintf("class/powercap/zone%d/energy_uj", i))
		file(fmt.Sprintf("class/powercap/zone%d/max_energy_range_uj", i))
	}
	m := newMachine(t, Defaults(), files.String())
	flags := []string{"--path.sysfs=" + m.dir, "--collector.disable-defaults"}
	for _, a := range hardwareAreas() {
		flags = append(flags, "--collector."+a.name)
	}
	want := theirs(t, hosttest.NodeExporter(t, flags...))
	got := ours(t, []collector.Collector{m.g})
	declared := make(map[string]bool)
	for _, part := range m.g.Parts() {
		if slices.Contains([]string{"hwmon", "powersupplyclass", "dmi", "watchdog"}, part.Name) {
			for _, f := range part.Families {
				declared[f.Name] = true
			}
		}
	}
	for _, w := range want.Families() {
		delete(declared, w.Name)
		g := got[w.Name]
		if g == nil || g.Interface() != w.Interface() {
			t.Errorf("node_exporter has %s, we %v", w.Interface(), g)
			continue
		}
		for _, difference := range differences(g.Series, w.Series, true) {
			t.Error(difference)
		}
	}
	for _, g := range got.Families() {
		if want[g.Name] == nil {
			t.Errorf("node_exporter has no %s", g.Interface())
		}
	}
	for name := range declared {
		t.Errorf("%s is declared, and nobody has it", name)
	}
}
