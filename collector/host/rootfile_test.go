package host

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestContainer reads the root file system of a host from elsewhere, whose links are as the host sees them.
func TestContainer(t *testing.T) {
	f := newKernelFixture(t, nil, osArea, unameArea, timeArea)
	f.remove("root/etc/os-release")
	f.write("root/usr/lib/os-release", "ID=first\nVERSION_ID=22.04\n")
	f.link("/usr/lib/os-release", "root/etc/os-release")
	f.write("root/usr/share/zoneinfo/Far", string(zoneData("FAR", 5*3600+1800)))
	f.link("/usr/share/zoneinfo/Far", "root/etc/localtime")
	const (
		zone     = `node_time_zone_offset_seconds{time_zone="FAR"}`
		version  = `node_os_version{id="first",id_like="",name=""}`
		nodename = `node_uname_info{domainname="",machine="",nodename="web1.example.org",release="",sysname="",version=""}`
		podname  = `node_uname_info{domainname="",machine="",nodename="pod-1",release="",sysname="",version=""}`
	)
	f.expect(f.scrape(), map[string]string{zone: "19800", version: "22.04", nodename: "1"})

	f.remove("root/etc/hostname")
	f.remove("root/etc/localtime")
	f.clock = f.clock.Add(lookAgain) // where links lead is remembered
	f.write("root/usr/lib/os-release", "ID=second\nVERSION_ID=rolling\nSUPPORT_END=2028-06-30\n")
	o := f.scrape()
	f.expect(o, map[string]string{
		zone: "", `node_time_zone_offset_seconds{time_zone="UTC"}`: "0", version: "", nodename: "", podname: "1",
		"node_os_support_end_timestamp_seconds": "1.845936e+09",
	})
	if !strings.Contains(o.Text, `id="second"`) || strings.Contains(o.Text, "node_os_version{") {
		t.Errorf("not read again:\n%s", o.Text)
	}
	f.write("root/usr/lib/os-release", "ID=third\nSUPPORT_END=never\n")
	if o := f.scrape(); o.Success["os"] || !strings.Contains(o.Text, `id="third"`) {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
	f.remove("root/usr/lib/os-release")
	if o := f.scrape(); o.Success["os"] || strings.Contains(o.Text, "node_os") {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
}

// zoneData is a file of a time zone (tzfile(5)) that has one offset.
func zoneData(name string, offset int32) []byte {
	b := append([]byte("TZif"), make([]byte, 16)...)
	for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(name) + 1)} { // counts: one type and its name
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(offset))
	return append(append(b, 0, 0), name+"\x00"...)
}

// TestSharedName: a process that has the host's name takes it from the kernel.
func TestSharedName(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{own: "pod-1", "uts:[1]": "web1.example.org"} {
		f := newKernelFixture(t, func(o *Options) {
			if err := errors.Join(os.MkdirAll(filepath.Join(o.ProcFS, "1/ns"), 0o755), os.Symlink(link, filepath.Join(o.ProcFS, "1/ns/uts"))); err != nil {
				t.Fatal(err)
			}
		}, unameArea)
		f.expect(f.scrape(), map[string]string{`node_uname_info{domainname="",machine="",nodename="` + want + `",release="",sysname="",version=""}`: "1"})
	}
}

func TestInRoot(t *testing.T) {
	root := t.TempDir()
	for name, target := range map[string]string{
		"etc/plain": "", "usr/lib/file": "", "etc/relative": "../usr/lib/file", "etc/absolute": "/usr/lib/file",
		"etc/escape": "../../../../usr/lib/file", "etc/loop": "loop", "etc/folder": "/usr/lib", "etc/chain": "folder/file", "etc/dangling": "/nowhere",
	} {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && target == "" {
			err = os.WriteFile(path, nil, 0o644)
		} else if err == nil {
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"/etc/plain": "/etc/plain", "/etc/relative": "/usr/lib/file", "/etc/absolute": "/usr/lib/file", "/etc/escape": "/usr/lib/file",
		"/etc/chain": "/usr/lib/file", "/etc/folder/file": "/usr/lib/file",
	} {
		if got, err := inRoot(root, name); err != nil || got != root+want {
			t.Errorf("%s is %s, %v, want %s", name, got, err, want)
		}
	}
	if _, err := inRoot(root, "/etc/loop"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop gave %v", err)
	}
	for _, name := range []string{"/etc/dangling", "/etc/none", "/etc/plain/below"} {
		if got, err := inRoot(root, name); err == nil {
			t.Errorf("%s is %s", name, got)
		}
	}
	if got, err := inRoot("/", "/etc/any"); err != nil || got != "/etc/any" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestRootFileFails: a file that could not be read is read again although it did not change.
func TestRootFileFails(t *testing.T) {
	f := newKernelFixture(t, nil, osArea)
	f.remove("root/etc/os-release")
	f.write("root/etc/os-release/x", "") // a folder, which can be opened only
	opens := watchOpens(t, f.o.RootFS)
	for range 2 {
		if o := f.scrape(); o.Success["os"] || o.NoData["os"] {
			t.Errorf("success %v, no data %v", o.Success, o.NoData)
		}
	}
	if n := opens()["etc/os-release"]; n != 2 {
		t.Errorf("opened %d times", n)
	}
}
