package host

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/xfs"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// seedFixture adds a file of the fixture.
func seedFixture(f *testing.F, name string) {
	f.Helper()
	archive, err := txtar.ParseFile("testdata/host.txtar")
	if err != nil {
		f.Fatal(err)
	}
	i := slices.IndexFunc(archive.Files, func(file txtar.File) bool { return file.Name == name })
	if i < 0 {
		f.Fatalf("the fixture has no %s", name)
	}
	f.Add(archive.Files[i].Data)
}

func FuzzFileNr(f *testing.F) {
	seed(f, "sys/fs/file-nr")
	f.Fuzz(func(t *testing.T, data []byte) {
		allocated, maximum, err := parseFileNr(data)
		if err != nil {
			return
		}
		line, _, _ := strings.Cut(string(data), "\n")
		words := strings.FieldsFunc(line, func(r rune) bool { return r < 128 && isSpace(byte(r)) })
		for i, want := range map[int]uint64{0: allocated, 2: maximum} {
			if got, err := strconv.ParseUint(words[i], 10, 64); err != nil || got != want {
				t.Errorf("%d, the file says %s", want, words[i])
			}
		}
	})
}

func FuzzPressure(f *testing.F) {
	for _, name := range []string{"cpu", "io", "memory", "irq"} {
		seed(f, "pressure/"+name)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parsePressure(data)
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "pressure/io", data)
		theirs, err := fs.PSIStatsForResource("io")
		if err != nil || bytes.Count(data, []byte("total=")) != bytes.Count(data, []byte("avg10=")) {
			return
		}
		for _, line := range []struct {
			ours   uint64
			has    bool
			theirs *procfs.PSILine
		}{{ours.some, ours.hasSome, theirs.Some}, {ours.full, ours.hasFull, theirs.Full}} {
			if line.has && line.theirs != nil && line.ours != line.theirs.Total {
				t.Errorf("%d, procfs has %d", line.ours, line.theirs.Total)
			}
			if !line.has && line.theirs != nil {
				t.Errorf("procfs has %d", line.theirs.Total)
			}
		}
	})
}

func FuzzPairs(f *testing.F) {
	seed(f, "vmstat")
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 0
		if err := parsePairs(data, func(field, _ []byte) error {
			if len(field) == 0 {
				t.Error("a field without name")
			}
			lines++
			return nil
		}); err != nil || lines > bytes.Count(data, []byte("\n"))+1 {
			t.Errorf("%d lines, %v", lines, err)
		}
	})
}

func FuzzXFS(f *testing.F) {
	seedFixture(f, "sys/fs/xfs/sda1/stats/stats")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[*collector.Family]uint64)
		err := parseXFS(data, func(f *collector.Family, n uint64) { ours[f] = n })
		if err != nil || !plain(data) {
			return
		}
		s, err := xfs.ParseStats(bytes.NewReader(data))
		if err != nil {
			return
		}
		a, b, m, bm, d, i, v := s.ExtentAllocation, s.AllocationBTree, s.BlockMapping, s.BlockMapBTree, s.DirectoryOperation, s.InodeOperation, s.Vnode
		for key, want := range map[string][]uint32{
			"extent_alloc": {a.ExtentsAllocated, a.BlocksAllocated, a.ExtentsFreed, a.BlocksFreed},
			"abt":          {b.Lookups, b.Compares, b.RecordsInserted, b.RecordsDeleted},
			"blk_map": {
				m.Reads, m.Writes, m.Unmaps, m.ExtentListInsertions, m.ExtentListDeletions, m.ExtentListLookups, m.ExtentListCompares,
			},
			"bmbt":   {bm.Lookups, bm.Compares, bm.RecordsInserted, bm.RecordsDeleted},
			"dir":    {d.Lookups, d.Creates, d.Removes, d.Getdents},
			"ig":     {i.Attempts, i.Found, i.Recycle, i.Missed, i.Duplicate, i.Reclaims, i.AttributeChange},
			"rw":     {s.ReadWrite.Write, s.ReadWrite.Read},
			"vnodes": {v.Active, v.Allocate, v.Get, v.Hold, v.Release, v.Reclaim, v.Remove},
		} {
			for i, f := range xfsLines[key] {
				if ours[f] != uint64(want[i]) {
					t.Errorf("%s: %d, procfs has %d", f.Name, ours[f], want[i])
				}
			}
		}
	})
}

func FuzzMdstat(f *testing.F) {
	seed(f, "mdstat")
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours []mdArray
		err := parseMdstat(data, func(a *mdArray) {
			c := *a
			c.name = bytes.Clone(a.name)
			ours = append(ours, c)
		})
		if err != nil || !plain(bytes.ReplaceAll(data, []byte("\t"), nil)) {
			return
		}
		fs, _ := oracle(t, "mdstat", data)
		theirs, err := survives(fs.MDStat)
		if err != nil || len(ours) != len(theirs) {
			return // it takes any line for an array's
		}
		states := map[string]string{
			"active": "active", "inactive": "inactive", "recovering": "recovering", "resyncing": "resync", "checking": "check",
		}
		for i, m := range theirs {
			want := mdArray{
				name: []byte(m.Name), state: states[m.ActivityState], required: int(m.DisksTotal), active: int(m.DisksActive),
				failed: int(m.DisksFailed), spare: int(m.DisksSpare), blocks: uint64(m.BlocksTotal), synced: uint64(m.BlocksSynced),
			}
			if diff := cmp.Diff(want, ours[i], cmp.AllowUnexported(mdArray{})); diff != "" {
				t.Errorf("%s (-procfs +ours):\n%s", m.Name, diff)
			}
		}
	})
}

// survives calls an oracle, some of which panic at what no kernel writes.
func survives[T any](read func() (T, error)) (v T, err error) {
	defer func() {
		if recover() != nil {
			err = os.ErrInvalid
		}
	}()
	return read()
}

func FuzzOSRelease(f *testing.F) {
	f.Add(`Example Linux 12.5 ("maple") $5 \ ` + "`'#=")
	f.Fuzz(func(t *testing.T, value string) {
		if r := parseOSRelease(value); len(r) > strings.Count(value, "\n")+1 {
			t.Errorf("%v", r)
		}
		parseOSRelease("VERSION_ID=" + value).version()
		if strings.ContainsAny(value, "\n\r") {
			return
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value)
		got := parseOSRelease("A=1\nNAME=\"" + quoted + "\"\nB='2'\n")
		if diff := cmp.Diff(osRelease{"A": "1", "NAME": value, "B": "2"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzTaskStat(f *testing.F) {
	seedFixture(f, "proc/200/stat")
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseTaskStat(data)
		if err != nil || !plain(data) || bytes.ContainsRune(data, '\n') {
			return
		}
		fs, _ := oracle(t, "1/stat", data)
		proc, err := fs.Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := survives(proc.Stat)
		if err != nil || bytes.Contains(data, []byte(")"+theirs.State)) { // it skips the byte after the name, whatever it is
			return
		}
		if string(ours.state) != theirs.State || ours.threads != uint64(theirs.NumThreads) {
			t.Errorf("%c %d, procfs has %s %d", ours.state, ours.threads, theirs.State, theirs.NumThreads)
		}
	})
}

// FuzzDirents compares with the standard reading of a listing.
func FuzzDirents(f *testing.F) {
	dirent := func(name string) []byte {
		b := make([]byte, (19+len(name)+1+7)/8*8)
		b[0] = 1
		binary.NativeEndian.PutUint16(b[16:], uint16(len(b)))
		copy(b[19:], name)
		return b
	}
	f.Add(slices.Concat(dirent("."), dirent(".."), dirent("1"), dirent("self"), dirent("4194304"), dirent("12a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := appendIDs(nil, data)
		for b := data; len(b) > 0; { // no kernel gives an entry without an inode or an end
			if len(b) < 24 {
				return
			}
			length := int(binary.NativeEndian.Uint16(b[16:]))
			if length < 24 || length > len(b) || bytes.IndexByte(b[19:length], 0) < 0 || binary.NativeEndian.Uint64(b) == 0 {
				return
			}
			b = b[length:]
		}
		_, _, names := unix.ParseDirent(data, -1, nil)
		var theirs []int
		for _, name := range names {
			if n, err := strconv.ParseUint(name, 10, 31); err == nil {
				theirs = append(theirs, int(n))
			}
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("%v, want %v", ours, theirs)
		}
	})
}

// TestListFolder lists a folder of more names than the buffer takes, twice.
func TestListFolder(t *testing.T) {
	dir := hosttest.Dir(t)
	want := make(map[int]bool)
	for i := range 1500 {
		want[i*7] = true
		if err := os.Mkdir(filepath.Join(dir, strconv.Itoa(i*7)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := file{path: dir}
	defer f.close()
	var r processReader
	for range 2 {
		fd, err := f.open()
		if err != nil {
			t.Fatal(err)
		}
		ids, err := r.list(fd, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[int]bool)
		for _, id := range ids {
			got[id] = true
		}
		if len(ids) != len(want) || !maps.Equal(got, want) {
			t.Errorf("%d names, want %d", len(ids), len(want))
		}
	}
}
