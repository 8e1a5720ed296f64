package host

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs/sysfs"

	"github.com/chronoops/chronoops/collector"
)

func FuzzBuddyinfo(f *testing.F) {
	seed(f, "buddyinfo")
	f.Fuzz(func(t *testing.T, data []byte) {
		type block struct {
			node, zone string
			size       int
		}
		ours := make(map[block]float64)
		lines := 0
		err := parseBuddyinfo(data, func(node, zone []byte, size int, n uint64) {
			ours[block{string(node), string(zone), size}] = float64(n)
			if size == 0 {
				lines++
			}
		})
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "buddyinfo", data)
		theirs, err := fs.BuddyInfo()
		if err != nil || len(theirs) != lines { // it takes any line for a zone's
			return
		}
		want := make(map[block]float64)
		for _, z := range theirs {
			for size, n := range z.Sizes {
				if size < maxBuddySizes {
					want[block{z.Node, z.Zone, size}] = n
				}
			}
		}
		if diff := cmp.Diff(want, ours); diff != "" {
			t.Errorf("(-procfs +ours):\n%s", diff)
		}
	})
}

func FuzzCgroups(f *testing.F) {
	seed(f, "cgroups")
	f.Fuzz(func(t *testing.T, data []byte) {
		type controller struct {
			name             string
			cgroups, enabled int
		}
		var ours, want []controller
		err := parseCgroups(data, func(name []byte, cgroups, enabled uint64) {
			ours = append(ours, controller{string(name), int(cgroups), int(enabled)})
		})
		if err != nil || !plain(bytes.ReplaceAll(data, []byte("\t"), nil)) {
			return
		}
		fs, _ := oracle(t, "cgroups", data)
		theirs, err := fs.CgroupSummarys()
		if err != nil || len(theirs) != len(ours) {
			return
		}
		for _, c := range theirs {
			want = append(want, controller{c.SubsysName, c.Cgroups, c.Enabled})
		}
		if diff := cmp.Diff(want, ours, cmp.AllowUnexported(controller{})); diff != "" {
			t.Errorf("(-procfs +ours):\n%s", diff)
		}
	})
}

func FuzzSlabinfo(f *testing.F) {
	seed(f, "slabinfo")
	f.Fuzz(func(t *testing.T, data []byte) {
		type slab struct {
			name   string
			values [slabFields]uint64
		}
		var ours []slab
		err := parseSlabinfo(data, func(name []byte, values *[slabFields]uint64) { ours = append(ours, slab{string(name), *values}) })
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "slabinfo", data)
		theirs, err := fs.SlabInfo()
		if err != nil || len(theirs.Slabs) != len(ours) {
			return
		}
		for i, s := range theirs.Slabs {
			want := slab{s.Name, [slabFields]uint64{
				uint64(s.ObjActive), uint64(s.ObjNum), uint64(s.ObjSize), uint64(s.ObjPerSlab), uint64(s.PagesPerSlab),
			}}
			if s.Name != "" && ours[i] != want { // a line that begins with a blank has no name to it
				t.Errorf("%v, procfs has %v", ours[i], want)
			}
		}
	})
}

func FuzzZoneinfo(f *testing.F) {
	seed(f, "zoneinfo")
	// The fields of procfs' struct that have another name than the family.
	fields := map[string]string{
		"Min": "min_pages", "Low": "low_pages", "High": "high_pages", "Scanned": "scanned_pages", "Spanned": "spanned_pages",
		"Present": "present_pages", "Managed": "managed_pages", "NrFreePages": "nr_free_pages", "NrActiveAnon": "nr_active_anon_pages",
		"NrFilePages": "nr_file_pages", "NrKernelStack": "nr_kernel_stacks", "NrDirtied": "nr_dirtied_total", "NumaHit": "numa_hit_total",
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		type key struct{ family, node, zone string }
		ours := make(map[key]float64)
		zones := make(map[[2]string]bool)
		repeated := false
		err := parseZoneinfo(data, func(f *collector.Family, node, zone []byte, v float64) {
			k := key{f.Name, string(node), string(zone)}
			_, again := ours[k]
			repeated = repeated || again
			ours[k] = v
			zones[[2]string{k.node, k.zone}] = true
		})
		if err != nil || !plain(data) || repeated {
			return
		}
		fs, _ := oracle(t, "zoneinfo", data)
		theirs, err := fs.Zoneinfo()
		if err != nil || len(theirs) != len(zones) || bytes.Count(data, []byte("Node")) != len(zones) || bytes.Count(data, []byte("zone")) != len(zones) {
			return
		}
		for _, z := range theirs {
			if !zones[[2]string{z.Node, z.Zone}] {
				return // it finds zones within lines
			}
			for field, name := range fields {
				v := reflect.ValueOf(z).FieldByName(field)
				got, ok := ours[key{"node_zoneinfo_" + name, z.Node, z.Zone}]
				if !v.IsNil() && (!ok || got != float64(v.Elem().Int())) && canonical([]string{strconv.FormatInt(v.Elem().Int(), 10)}) {
					t.Errorf("node %s, zone %s: %s is %v, procfs has %d", z.Node, z.Zone, name, got, v.Elem().Int())
				}
			}
			for i, p := range z.Protection {
				if got := ours[key{"node_zoneinfo_protection_" + strconv.Itoa(i), z.Node, z.Zone}]; i < zoneProtections && got != float64(*p) {
					t.Errorf("node %s, zone %s: protection %d is %v, procfs has %d", z.Node, z.Zone, i, got, *p)
				}
			}
		}
	})
}

func FuzzNodeMeminfo(f *testing.F) {
	seedFixture(f, "sys/devices/system/node/node0/meminfo")
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 0
		err := parseNodeMeminfo(data, func(field []byte, v float64) {
			lines++
			if v < 0 || !bytes.Contains(data, append(bytes.Clone(field), ':')) {
				t.Errorf("%q is %v", field, v)
			}
		})
		if err == nil && lines > bytes.Count(data, []byte("\n"))+1 {
			t.Errorf("%d lines", lines)
		}
	})
}

func FuzzVulnerability(f *testing.F) {
	for _, text := range []string{"Not affected\n", "Vulnerable", "Mitigation: PTI", "Unknown: No mitigations", "KVM: x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		state, mitigation := parseVulnerability(string(data))
		if !plain(data) {
			return
		}
		_, dir := oracle(t, "devices/system/cpu/vulnerabilities/x", data)
		sys, err := sysfs.NewFS(dir)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := sys.CPUVulnerabilities()
		if err != nil {
			t.Fatal(err)
		}
		want := [2]string{sysfs.VulnerabilityHumanEncoding[theirs["x"].State], theirs["x"].Mitigation}
		if got := [2]string{state, mitigation}; got != want {
			t.Errorf("%q, procfs has %q", got, want)
		}
		if strings.Contains(mitigation, "\n") && state != "unknown" {
			t.Errorf("%q", mitigation)
		}
	})
}
