package parts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// RedisVar names the environment variable that says which Redis stands in where no version is asked for: one of
// RedisVersions, or the path of a server's program.
const RedisVar = "CHRONOOPS_REDIS"

// foreignPart is a server from a release of Debian that need not be the machine's: it runs with that release's own C
// library.
type foreignPart struct {
	name  string // shown to people, and how it is asked for
	suite string
	pkg   string // also the program
}

var foreignRedis = []foreignPart{
	{name: "redis6", suite: "bullseye", pkg: "redis-server"},
	{name: "redis8", suite: "trixie", pkg: "redis-server"},
	{name: "valkey8", suite: "trixie", pkg: "valkey-server"},
}

// RedisVersions lists what Redis returns besides Debian's: PrepareAll gets them.
func RedisVersions() []string {
	var names []string
	for _, f := range foreignRedis {
		names = append(names, f.name)
	}
	return names
}

// Redis returns the server's program of a version. Empty stands for what $CHRONOOPS_REDIS says, else for Debian's.
func Redis(version string) (Program, error) {
	version = cmp.Or(version, os.Getenv(RedisVar))
	if version == "" {
		return Find("redis-server")
	}
	if filepath.IsAbs(version) {
		return Program{Path: version}, nil
	}
	at := slices.IndexFunc(foreignRedis, func(f foreignPart) bool { return f.name == version })
	if at < 0 {
		return Program{}, fmt.Errorf("there is no Redis called %q, only %v and the paths of programs", version, RedisVersions())
	}
	cache, err := cacheDir()
	if err != nil {
		return Program{}, err
	}
	path := filepath.Join(foreignRedis[at].root(cache), launcher)
	if _, err := os.Stat(path); err != nil {
		return Program{}, fmt.Errorf("%s is not in %s: %s", version, cache, hintAll)
	}
	return Program{Path: path}, nil
}

func (f foreignPart) root(cache string) string {
	return filepath.Join(cache, "foreign-"+f.suite+"-"+runtime.GOARCH, f.pkg)
}

// launcher is the script that starts an unpacked program by its own loader.
const launcher = "run"

// The archive and its keys, as every Debian has them.
const (
	debianArchive = "http://deb.debian.org/debian"
	debianKeys    = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// prepareRedis gets the versions that are missing.
func prepareRedis(ctx context.Context, out io.Writer, cache string, versions []string) error {
	for _, f := range foreignRedis {
		root := f.root(cache)
		_, err := os.Stat(filepath.Join(root, launcher))
		if err == nil || !slices.Contains(versions, f.name) {
			continue
		}
		fmt.Fprintf(out, "Getting %s: unpacking %s of Debian's %s into %s\n", f.name, f.pkg, f.suite, root)
		if err := f.unpack(ctx, out, cache, root); err != nil {
			return fmt.Errorf("get %s of Debian's %s: %w", f.pkg, f.suite, err)
		}
	}
	return nil
}

func (f foreignPart) unpack(ctx context.Context, out io.Writer, cache, root string) error {
	sources, err := os.CreateTemp(cache, "sources-*.list")
	if err != nil {
		return err
	}
	defer os.Remove(sources.Name())
	fmt.Fprintf(sources, "deb [signed-by=%s] %s %s main\n", debianKeys, debianArchive, f.suite)
	if err := sources.Close(); err != nil {
		return err
	}
	apt, err := newAPT(ctx, out, cache,
		"Dir::Etc::sourcelist="+sources.Name(), "Dir::Etc::sourceparts=/dev/null", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false")
	if err != nil {
		return err
	}
	defer apt.close()
	uris, err := apt.get(ctx, apt.dir, "install", "--yes", "--print-uris", f.pkg)
	if err != nil {
		return err
	}
	for line := range strings.Lines(uris) {
		if _, name, _ := strings.Cut(line, " "); strings.HasPrefix(name, "libc6_") || strings.HasPrefix(name, "lua-") {
			name, _, _ = strings.Cut(name, "_")
			apt.also = append(apt.also, name)
		}
	}
	if err := apt.unpack(ctx, debianPart{pkg: f.pkg}, root); err != nil {
		return err
	}
	return f.writeLauncher(root)
}

// writeLauncher writes the script for a tree; without it the tree does not count.
func (f foreignPart) writeLauncher(root string) error {
	var dirs []string
	loader := ""
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		dirs = append(dirs, found...)
		for _, dir := range found {
			if loaders, _ := filepath.Glob(filepath.Join(dir, "ld-linux*.so.*")); len(loaders) > 0 {
				loader = loaders[0]
			}
		}
	}
	if loader == "" {
		return errors.New("its libc6 has no loader")
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s --library-path %s %s \"$@\"\n",
		quote(loader), quote(strings.Join(dirs, ":")), quote(filepath.Join(root, "usr/bin", f.pkg)))
	path := filepath.Join(root, launcher)
	if err := os.WriteFile(path+".new", []byte(script), 0o755); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// quote makes a word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
