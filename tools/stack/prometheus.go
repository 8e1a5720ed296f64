package stack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/tools/parts"
)

// PrometheusOptions say what Prometheus does.
type PrometheusOptions struct {
	Port   int    // 0: a free one
	Config string // prometheus.yml, in which @DIR@ is replaced by the server's folder and @PORT@ by its port
	// Files are written into the server's folder first, by relative name: rules, credentials.
	Files map[string]string
	Args  []string // further flags
}

// Prometheus is a running Prometheus.
type Prometheus struct {
	*Server
	URL  string // http://127.0.0.1:PORT
	Addr string
	Dir  string
}

// StartPrometheus starts Prometheus and waits until it serves.
func StartPrometheus(ctx context.Context, o PrometheusOptions) (*Prometheus, error) {
	w := web{
		name: "prometheus", config: o.Config, files: o.Files,
		args: append([]string{
			"--config.file=@DIR@/config.yml", "--storage.tsdb.path=@DIR@/data", "--web.listen-address=127.0.0.1:@PORT@",
			"--web.enable-lifecycle", "--storage.tsdb.retention.time=1d",
			// An alert that fires before Alertmanager is discovered is lost until it is sent again, a minute later by default.
			// Alertmanager takes an alert for resolved after four times this.
			"--rules.alert.resend-delay=5s",
		}, o.Args...),
	}
	s, port, err := w.start(ctx, o.Port)
	if err != nil {
		return nil, err
	}
	return &Prometheus{Server: s, URL: "http://" + address(port), Addr: address(port), Dir: w.dir}, nil
}

// Reload makes Prometheus read its configuration and rules again.
func (p *Prometheus) Reload(ctx context.Context) error { return reload(ctx, p.URL) }

// AlertmanagerOptions say what Alertmanager does.
type AlertmanagerOptions struct {
	Port   int    // 0: a free one
	Config string // alertmanager.yml, in which @DIR@ is replaced by the server's folder and @PORT@ by its port
	// Files are written into the server's folder first, by relative name: templates, credentials.
	Files map[string]string
	Args  []string // further flags
}

// Alertmanager is a running Alertmanager without peers.
type Alertmanager struct {
	*Server
	URL  string // http://127.0.0.1:PORT
	Addr string
	Dir  string
}

// StartAlertmanager starts Alertmanager and waits until it serves.
func StartAlertmanager(ctx context.Context, o AlertmanagerOptions) (*Alertmanager, error) {
	w := web{
		name: "alertmanager", config: o.Config, files: o.Files,
		args: append([]string{
			"--config.file=@DIR@/config.yml", "--storage.path=@DIR@/data", "--web.listen-address=127.0.0.1:@PORT@",
			"--cluster.listen-address=",
		}, o.Args...),
	}
	s, port, err := w.start(ctx, o.Port)
	if err != nil {
		return nil, err
	}
	return &Alertmanager{Server: s, URL: "http://" + address(port), Addr: address(port), Dir: w.dir}, nil
}

// Reload makes Alertmanager read its configuration again.
func (a *Alertmanager) Reload(ctx context.Context) error { return reload(ctx, a.URL) }

// web is a server of the Prometheus family about to be started.
type web struct {
	name, config string
	files        map[string]string
	args         []string
	dir          string
}

func (w *web) start(ctx context.Context, wanted int) (*Server, int, error) {
	program, err := parts.Find(w.name)
	if err != nil {
		return nil, 0, err
	}
	return onPort(wanted, func(port int) (*Server, error) {
		dir, cleanup, err := TempDir(w.name)
		if err != nil {
			return nil, err
		}
		fill := strings.NewReplacer("@PORT@", strconv.Itoa(port), "@DIR@", dir)
		if err := w.write(dir, fill); err != nil {
			cleanup()
			return nil, err
		}
		w.dir = dir
		args := make([]string, len(w.args))
		for i, a := range w.args {
			args[i] = fill.Replace(a)
		}
		return Start(ctx, Command{
			Name: w.name, Path: program.Path, Env: program.Env, Dir: dir, Args: args, cleanup: cleanup,
			Ready: HTTPReady("http://" + address(port) + "/-/ready"),
		})
	})
}

func (w *web) write(dir string, fill *strings.Replacer) error {
	for name, text := range w.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "config.yml"), []byte(fill.Replace(w.config)), 0o600)
}

// HTTPReady returns a readiness check that wants 200 from url.
func HTTPReady(url string) func(context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		return expectOK(client, req)
	}
}

func reload(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/-/reload", nil)
	if err != nil {
		return err
	}
	return expectOK(http.DefaultClient, req)
}

func expectOK(client *http.Client, req *http.Request) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL, resp.Status)
	}
	return nil
}
