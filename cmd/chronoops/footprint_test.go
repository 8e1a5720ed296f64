package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestUnwrittenAreas(t *testing.T) {
	const smaps = `00400000-01a2e000 r-xp 00000000 fe:00 1234 /usr/bin/chronoops
Size:              22712 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01a2e000-02c00000 r--p 0162e000 fe:00 1234 /usr/bin/chronoops
Anonymous:             0 kB
02c00000-02d00000 r--p 02800000 fe:00 1234 /usr/bin/chronoops
Anonymous:            64 kB
02d00000-02e00000 rw-p 02900000 fe:00 1234 /usr/bin/chronoops
Anonymous:             0 kB
c000000000-c000400000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 9 /usr/lib/libc.so
Anonymous:             0 kB
`
	got, err := unwrittenAreas(strings.NewReader(smaps), "/usr/bin/chronoops")
	want := []memoryArea{{0x400000, 0x1a2e000}, {0x1a2e000, 0x2c00000}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(memoryArea{})); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if _, err := unwrittenAreas(strings.NewReader("zz-1 r--p 0 0 0 /p\n"), "/p"); err == nil {
		t.Error("nonsense was accepted")
	}
}

// TestDropStartPages: a page that nothing needs leaves the process, and the program goes on.
func TestDropStartPages(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	areas, err := unwrittenAreas(strings.NewReader(string(file)), self)
	if err != nil || len(areas) == 0 {
		t.Fatalf("%d areas and %v", len(areas), err)
	}
	before := resident(t, areas)
	if err := dropStartPages(); err != nil {
		t.Fatal(err)
	}
	if after := resident(t, areas); after >= before {
		t.Errorf("%d pages are mapped, %d before", after, before)
	}
}

// resident counts the pages of areas that the process has mapped, by its page map (Documentation/admin-guide/mm/pagemap.rst).
func resident(t *testing.T, areas []memoryArea) (pages int) {
	t.Helper()
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := uintptr(unix.Getpagesize())
	for _, a := range areas {
		entries := make([]byte, (a.to-a.from)/size*8)
		if _, err := f.ReadAt(entries, int64(a.from/size*8)); err != nil {
			t.Fatal(err)
		}
		for i := 7; i < len(entries); i += 8 {
			if entries[i]&0x80 != 0 {
				pages++
			}
		}
	}
	return pages
}
