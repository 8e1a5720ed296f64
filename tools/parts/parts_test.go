package parts

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNeededPackages(t *testing.T) {
	const uris = `'http://deb.example/libc6_2.36_amd64.deb' libc6_2.36-9_amd64.deb 2758960 SHA256:aa
'http://deb.example/libc-bin_2.36_amd64.deb' libc-bin_2.36-9_amd64.deb 1 SHA256:aa
'http://deb.example/perl_5.36.deb' perl_5.36.0-7_amd64.deb 1 SHA256:aa
'http://deb.example/libperl5.36.deb' libperl5.36_5.36.0-7_amd64.deb 1 SHA256:aa
'http://deb.example/libjson-perl.deb' libjson-perl_4.10000-1_all.deb 1 SHA256:aa
'http://deb.example/libllvm14.deb' libllvm14_14.0.6-12_amd64.deb 1 SHA256:aa
'http://deb.example/libpq5.deb' libpq5_15.20-0+deb12u1_amd64.deb 1 SHA256:aa
'http://deb.example/ssl-cert.deb' ssl-cert_1.1.2_all.deb 1 SHA256:aa
'http://deb.example/postgresql-15.deb' postgresql-15_15.20-0+deb12u1_amd64.deb 1 SHA256:aa
a note of apt's
`
	if diff := cmp.Diff([]string{"libpq5", "postgresql-15"}, neededPackages("postgresql", uris)); diff != "" {
		t.Error(diff)
	}
	const redis = "'http://x' redis-tools_5%3a7.0.15-1_amd64.deb 1 SHA256:aa\n'http://x' lsb-base_11_all.deb 1 SHA256:aa\n"
	if diff := cmp.Diff([]string{"redis-tools"}, neededPackages("redis-server", redis)); diff != "" {
		t.Error(diff)
	}
}

func TestBelowPrefersTheSupportedVersion(t *testing.T) {
	d := debianPart{dirs: []string{"usr/lib/postgresql/*/bin"}}
	root := t.TempDir()
	put := func(version string) {
		dir := filepath.Join(root, "usr/lib/postgresql", version, "bin")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "postgres"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	version := func() string {
		path, ok := d.below(root, "postgres")
		if !ok {
			return "none"
		}
		return filepath.Base(filepath.Dir(filepath.Dir(path)))
	}
	for _, step := range []struct{ add, want string }{{"9", "9"}, {"17", "17"}, {"13", "17"}, {"15", "15"}} {
		put(step.add)
		if got := version(); got != step.want {
			t.Errorf("with %s added: found %s, want %s", step.add, got, step.want)
		}
	}
	if _, ok := d.below(t.TempDir(), "postgres"); ok {
		t.Error("found a program in an empty folder")
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	t.Setenv("CHRONOOPS_CACHE", t.TempDir())
	t.Setenv(ForceCacheVar, "1")
	for _, name := range []string{"postgres", "nginx", "prometheus", "alertmanager", "node_exporter", "prometheus-redis-exporter"} {
		if _, err := Find(name); err == nil || !strings.Contains(err.Error(), "make prepare") {
			t.Errorf("Find(%s) = %v, want an error that names `make prepare`", name, err)
		}
	}
	if _, err := Find("emacs"); err == nil {
		t.Error("Find(emacs) found a part")
	}
}

// TestPrepareDoesNothingWhenComplete holds the promise that preparing costs nothing when everything is there.
func TestPrepareDoesNothingWhenComplete(t *testing.T) {
	var out strings.Builder
	if err := Prepare(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Prepare(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("a second preparation says %q", out.String())
	}
}

func TestPrepareNeedsAWritableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHRONOOPS_CACHE", filepath.Join(file, "cache"))
	if err := Prepare(context.Background(), io.Discard); err == nil || !strings.Contains(err.Error(), "CHRONOOPS_CACHE") {
		t.Errorf("got %v, want an error that names CHRONOOPS_CACHE", err)
	}
}

func TestFirstClosed(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "closed", "inner")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{inner: 0o755, filepath.Dir(inner): 0o700} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := firstClosed(inner), filepath.Dir(inner); got != want {
		t.Errorf("firstClosed = %q, want %q", got, want)
	}
	if got := firstClosed("/"); got != "" {
		t.Errorf("firstClosed(/) = %q", got)
	}
}

func TestLockIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan error, 1)
	go func() {
		unlock, err := lock(path)
		if err == nil {
			unlock()
		}
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("a second lock was given while the first was held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

func TestCopyTree(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	if err := os.MkdirAll(filepath.Join(src, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "a/b/file"), []byte("text"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(dst, src); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dst, "a/b/file")); err != nil || string(b) != "text" {
		t.Errorf("copied file: %q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dst, "link")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link was copied: %v", err)
	}
}

func TestProgramsOfAModule(t *testing.T) {
	var got []string
	for _, b := range builtParts {
		got = append(got, b.programs()...)
	}
	if diff := cmp.Diff([]string{"prometheus", "promtool", "alertmanager", "node_exporter"}, got); diff != "" {
		t.Error(diff)
	}
}

// fakes puts shell scripts on PATH, in the place of everything that was there.
func fakes(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// apt goes on without the lists that it could not read; what it said of them explains why a package is not found.
func TestAptWithoutNetwork(t *testing.T) {
	fakes(t, map[string]string{
		"dpkg": "",
		"apt-get": `case "$*" in
*update*) echo "W: Temporary failure resolving 'deb.example'" >&2 ;;
*) echo "E: Unable to locate package" >&2; exit 100 ;;
esac
`,
	})
	t.Setenv(ForceCacheVar, "1")
	cache := t.TempDir()
	err := prepareDebian(t.Context(), io.Discard, cache)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Unable to locate package", "Temporary failure resolving 'deb.example'", "is there a network?", "install PostgreSQL by hand"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if left, _ := os.ReadDir(cache); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

func TestNpmWithoutNetwork(t *testing.T) {
	fakes(t, map[string]string{"npm": `case "$*" in
*--silent*) ;;
*--prefer-offline*) echo "npm error code EAI_AGAIN" >&2 ;;
esac
exit 1
`})
	err := preparePostgres(t.Context(), io.Discard, t.TempDir(), EverydayPostgres()[:1])
	if err == nil || !strings.Contains(err.Error(), "EAI_AGAIN") || !strings.Contains(err.Error(), "npm config get registry") {
		t.Errorf("got %v", err)
	}
}
