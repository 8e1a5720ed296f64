package stack

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/tools/parts"
)

// NginxOptions say what nginx serves.
type NginxOptions struct {
	Port int // 0: a free one
	// Config stands inside nginx's http block: server blocks, log formats, upstreams. @PORT@ is replaced by the port to
	// listen on, as in "listen 127.0.0.1:@PORT@;", and @DIR@ by the server's folder. Empty: 200 to everything.
	Config string
}

// Nginx is a running nginx of one process. SIGUSR1 makes it open its logs again, SIGHUP reload its configuration.
type Nginx struct {
	*Server
	URL       string // http://127.0.0.1:PORT
	Addr      string
	Port      int
	Dir       string
	AccessLog string // where the default log goes; a log named in Config goes where that says
}

const defaultSite = `server {
	listen 127.0.0.1:@PORT@;
	location / { return 200 "ok\n"; }
}`

// nginxConfig keeps everything that nginx writes in its folder.
const nginxConfig = `daemon off;
master_process off;
worker_processes 1;
pid @DIR@/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
	default_type text/plain;
	access_log @DIR@/access.log;
	client_body_temp_path @DIR@/client_body;
	proxy_temp_path @DIR@/proxy;
	fastcgi_temp_path @DIR@/fastcgi;
	uwsgi_temp_path @DIR@/uwsgi;
	scgi_temp_path @DIR@/scgi;
`

// StartNginx starts nginx.
func StartNginx(ctx context.Context, o NginxOptions) (*Nginx, error) {
	nginx, err := parts.Find("nginx")
	if err != nil {
		return nil, err
	}
	site := o.Config
	if site == "" {
		site = defaultSite
	}
	var dir string
	s, port, err := onPort(o.Port, func(port int) (*Server, error) {
		var cleanup func()
		var err error
		if dir, cleanup, err = TempDir("nginx"); err != nil {
			return nil, err
		}
		text := strings.NewReplacer("@PORT@", strconv.Itoa(port), "@DIR@", dir).Replace(nginxConfig + site + "\n}\n")
		config := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			cleanup()
			return nil, err
		}
		return Start(ctx, Command{
			Name: "nginx", Path: nginx.Path, Env: nginx.Env, Dir: dir,
			Args: []string{"-p", dir, "-c", config, "-e", "stderr"},
			// The file is written once the sockets are open.
			Ready: func(context.Context) error {
				_, err := os.Stat(filepath.Join(dir, "nginx.pid"))
				return err
			},
			cleanup: cleanup,
		})
	})
	if err != nil {
		return nil, err
	}
	addr := address(port)
	return &Nginx{Server: s, URL: "http://" + addr, Addr: addr, Port: port, Dir: dir, AccessLog: filepath.Join(dir, "access.log")}, nil
}
