package scenario

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
)

const (
	areaJob    = "area"
	areaBudget = 16 << 20 // bytes
	fileSize   = 1 << 20
)

// area is a folder with a budget, which stands for a small file system: mounting one takes rights that not everybody who
// runs the demo has, and filling a real one would be felt by others. Its exporter says in node_exporter's words how much of the
// budget the files take, so that the shipped rule judges it unchanged. Files, action and rule are real; only the size is agreed.
type area struct {
	dir    string
	server *httptest.Server
	open   *os.File // today's log, which its writer holds
}

func newArea(dir string) (*area, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	a := &area{dir: dir}
	var err error
	// Both must outlive every cleaning: the one is open, the other no log.
	if a.open, err = os.Create(filepath.Join(dir, openLog)); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, keptFile), []byte("customers\n"), 0o600); err != nil {
		return nil, err
	}
	a.server = httptest.NewServer(http.HandlerFunc(a.metrics))
	return a, nil
}

// Files that files.clean must leave alone.
const (
	openLog  = "shop.log.today" // matches the policy's pattern
	keptFile = "customers.db"
)

func (a *area) close() {
	a.server.Close()
	a.open.Close()
}

func (a *area) addr() string { return strings.TrimPrefix(a.server.URL, "http://") }

// used adds up the files.
func (a *area) used() (n int64, err error) {
	err = filepath.WalkDir(a.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return nil // a file that has just gone takes nothing
	})
	return n, err
}

func (a *area) metrics(w http.ResponseWriter, _ *http.Request) {
	used, err := a.used()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	labels := fmt.Sprintf(`{device="spool",mountpoint=%q,fstype="budget"}`, a.dir)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	free := max(0, areaBudget-used)
	for _, m := range []struct {
		name  string
		value int64
	}{{"size_bytes", areaBudget}, {"free_bytes", free}, {"avail_bytes", free}, {"readonly", 0}} {
		fmt.Fprintf(w, "# TYPE node_filesystem_%s gauge\nnode_filesystem_%s%s %d\n", m.name, m.name, labels, m.value)
	}
}

// fill writes old logs until the area is nearly full.
func (a *area) fill() (files int, err error) {
	text := make([]byte, fileSize)
	for {
		used, err := a.used()
		if err != nil || used+fileSize > areaBudget {
			return files, err
		}
		files++
		if err := os.WriteFile(filepath.Join(a.dir, fmt.Sprintf("shop.log.%d", files)), text, 0o600); err != nil {
			return files, err
		}
	}
}
