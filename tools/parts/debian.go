package parts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// debianPart is a Debian package and the programs that are wanted of it.
type debianPart struct {
	name     string // shown to people
	pkg      string
	programs []string
	dirs     []string // where the programs are, as patterns below the root
	alone    bool     // the programs need nothing but the C library
}

var debianParts = []debianPart{
	{name: "PostgreSQL", pkg: "postgresql", programs: []string{"postgres", "initdb"}, dirs: []string{"usr/lib/postgresql/*/bin"}},
	{name: "Redis", pkg: "redis-server", programs: []string{"redis-server"}, dirs: []string{"usr/bin"}},
	{name: "nginx", pkg: "nginx", programs: []string{"nginx"}, dirs: []string{"usr/sbin"}},
	peer("postgres"), peer("redis"), peer("blackbox"),
	{name: "strace", pkg: "strace", programs: []string{"strace"}, dirs: []string{"usr/bin"}},
}

// peer is an exporter that chronoops stands in for.
func peer(kind string) debianPart {
	name := "prometheus-" + kind + "-exporter"
	return debianPart{name: kind + "_exporter", pkg: name, programs: []string{name}, dirs: []string{"usr/bin"}, alone: true}
}

// onMachine finds a program among the machine's own.
func (d debianPart) onMachine(name string) (Program, bool) {
	if os.Getenv(ForceCacheVar) != "" {
		return Program{}, false
	}
	if path, ok := d.below("/", name); ok {
		return Program{Path: path}, true
	}
	path, err := exec.LookPath(name)
	return Program{Path: path}, err == nil
}

// cached finds a program in an unpacked copy, together with the path of its libraries.
func (d debianPart) cached(cache, name string) (Program, bool) {
	root := d.root(cache)
	path, ok := d.below(root, name)
	if !ok {
		return Program{}, false
	}
	var libs []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		libs = append(libs, found...)
	}
	return Program{Path: path, Env: []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")}}, true
}

// below finds a program under root: of several versions 15, the one the project supports first, else the newest.
func (d debianPart) below(root, name string) (string, bool) {
	var found []string
	for _, dir := range d.dirs {
		dirs, _ := filepath.Glob(filepath.Join(root, dir))
		for _, dir := range dirs {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
				found = append(found, dir)
			}
		}
	}
	if len(found) == 0 {
		return "", false
	}
	best := slices.MaxFunc(found, byVersion)
	for _, dir := range found {
		if filepath.Base(filepath.Dir(dir)) == "15" {
			best = dir
		}
	}
	return filepath.Join(best, name), true
}

// root is the folder of the unpacked copy; it differs between releases, whose libraries do not mix.
func (d debianPart) root(cache string) string {
	return filepath.Join(cache, release()+"-"+runtime.GOARCH, d.pkg)
}

// release names the distribution and its version, e.g. debian-bookworm.
func release() string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "linux"
	}
	var id, version string
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"`)
		switch {
		case key == "ID":
			id = value
		case key == "VERSION_CODENAME", key == "VERSION_ID" && version == "":
			version = value
		}
	}
	return id + "-" + version
}

// prepareDebian downloads and unpacks what the machine lacks.
func prepareDebian(ctx context.Context, out io.Writer, cache string) error {
	var apt *aptClient
	for _, d := range debianParts {
		if !slices.ContainsFunc(d.programs, func(p string) bool {
			_, here := d.onMachine(p)
			_, cached := d.cached(cache, p)
			return !here && !cached
		}) {
			continue
		}
		if apt == nil {
			var err error
			if apt, err = newAPT(ctx, out, cache); err != nil {
				return fmt.Errorf("%w; or install %s by hand", err, d.name)
			}
			defer apt.close()
		}
		fmt.Fprintf(out, "Getting %s: unpacking Debian's package into %s\n", d.name, d.root(cache))
		if err := apt.unpack(ctx, d, d.root(cache)); err != nil {
			return fmt.Errorf("get Debian's %s: %w\nis there a network? or install %s by hand", d.pkg, err, d.name)
		}
	}
	return nil
}

// aptClient is apt with state and cache of its own: it needs no root and leaves the system's package lists alone.
type aptClient struct {
	dir      string
	args     []string
	also     []string // packages to unpack besides what neededPackages gives
	warnings string   // what it said of the package lists; it goes on without those that it could not read
}

// newAPT reads the package lists of the machine's sources, or of those that the further options name.
func newAPT(ctx context.Context, out io.Writer, cache string, options ...string) (*aptClient, error) {
	for _, tool := range []string{"apt-get", "dpkg"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, errors.New(tool + " not found: servers can only be fetched on Debian and its relatives")
		}
	}
	dir, err := os.MkdirTemp(cache, "apt-")
	if err != nil {
		return nil, err
	}
	a := &aptClient{dir: dir, args: []string{
		"-qq",
		"-o", "Dir::State=" + filepath.Join(dir, "state"),
		// With nothing installed the answer is the same on every machine and holds all libraries.
		"-o", "Dir::State::status=" + filepath.Join(dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::Log=" + dir,
		"-o", "APT::Sandbox::User=root",
		"-o", "APT::Install-Recommends=false",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
	}}
	for _, o := range options {
		a.args = append(a.args, "-o", o)
	}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, errors.Join(err, a.close())
	}
	fmt.Fprintln(out, "Reading Debian's package lists")
	said, err := a.command(ctx, dir, "update").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("apt-get update: %w\n%s", err, said), a.close())
	}
	a.warnings = string(said)
	return a, nil
}

func (a *aptClient) close() error { return os.RemoveAll(a.dir) }

func (a *aptClient) get(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := run(a.command(ctx, dir, args...))
	if err != nil {
		return "", fmt.Errorf("%w%s", err, a.warnings)
	}
	return out, nil
}

func (a *aptClient) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "apt-get", append(slices.Clone(a.args), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return cmd
}

// unpack lays the package and the libraries that it needs out below root; root appears only when it is complete.
func (a *aptClient) unpack(ctx context.Context, d debianPart, root string) error {
	pkgs := []string{d.pkg}
	if !d.alone {
		uris, err := a.get(ctx, a.dir, "install", "--yes", "--print-uris", d.pkg)
		if err != nil {
			return err
		}
		pkgs = neededPackages(d.pkg, uris)
	}
	debs, err := os.MkdirTemp(a.dir, "debs-")
	if err != nil {
		return err
	}
	if _, err := a.get(ctx, debs, slices.Concat([]string{"download"}, pkgs, a.also)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	tree := filepath.Join(a.dir, "tree-"+d.pkg)
	for _, deb := range files {
		if _, err := run(exec.CommandContext(ctx, "dpkg", "-x", deb, tree)); err != nil {
			return err
		}
	}
	if err := makeReachable(filepath.Dir(root)); err != nil {
		return err
	}
	// dpkg gives the top the permissions of the package's root, which is not always open to others.
	if err := os.Chmod(tree, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	return os.Rename(tree, root)
}

// neededPackages reads apt's list of addresses and names the packages to unpack: the wanted family and its libraries, but
// not the C library, which must be the one of the machine's own loader, nor what only PostgreSQL's compiler needs.
func neededPackages(pkg, uris string) []string {
	family, _, _ := strings.Cut(pkg, "-")
	var names []string
	sc := bufio.NewScanner(bytes.NewReader([]byte(uris)))
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "'") {
			continue
		}
		name, _, ok := strings.Cut(fields[1], "_")
		switch {
		case !ok:
		case strings.HasPrefix(name, family):
			names = append(names, name)
		case !strings.HasPrefix(name, "lib"), strings.HasSuffix(name, "-perl"):
		case slices.ContainsFunc([]string{"libc6", "libc-", "libperl", "libllvm", "libz3"}, func(p string) bool { return strings.HasPrefix(name, p) }):
		default:
			names = append(names, name)
		}
	}
	return names
}
