package parts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedisByName(t *testing.T) {
	t.Setenv("CHRONOOPS_CACHE", t.TempDir())
	t.Setenv(RedisVar, "/opt/redis-5/bin/redis-server")
	if p, err := Redis(""); err != nil || p.Path != "/opt/redis-5/bin/redis-server" {
		t.Errorf("a path in %s gives %v, %v", RedisVar, p, err)
	}
	for version, want := range map[string]string{"redis8": "./tools/prepare -all", "redis9": "[redis6 redis8 valkey8]"} {
		if _, err := Redis(version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Redis(%s) = %v, want an error with %q", version, err, want)
		}
	}
}

// TestLauncher runs a script that passes its arguments to the loader of the tree, here one that prints them.
func TestLauncher(t *testing.T) {
	root := filepath.Join(t.TempDir(), "it's here")
	for path, text := range map[string]string{
		"lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "#!/bin/sh\nprintf '%s\\n' \"$@\"\n",
		"usr/lib/x86_64-linux-gnu/libx.so":          "",
	} {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := (foreignPart{pkg: "server"}).writeLauncher(root); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, launcher), "--option", "a b").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	libs := root + "/usr/lib/x86_64-linux-gnu:" + root + "/lib/x86_64-linux-gnu"
	want := []string{"--library-path", libs, root + "/usr/bin/server", "--option", "a b", ""}
	if diff := cmp.Diff(want, strings.Split(string(out), "\n")); diff != "" {
		t.Errorf("arguments of the loader (-want +got):\n%s", diff)
	}
}
