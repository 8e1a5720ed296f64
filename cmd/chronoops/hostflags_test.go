package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chronoops/chronoops/collector/host"
)

func parseHostFlags(t *testing.T, args ...string) (host.Options, error) {
	t.Helper()
	var f serveFlags
	app := kingpin.New("chronoops", "").Writer(io.Discard).Terminate(func(int) { t.Error("the program would have ended") })
	f.register(app.Command("serve", ""), app)
	_, err := app.Parse(append([]string{"serve"}, args...))
	return f.host, err
}

func TestHostFlags(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want func(o *host.Options)
		err  string
	}{
		"nothing": {nil, func(*host.Options) {}, ""},
		"include takes the place of the default": {
			[]string{"--collector.diskstats.device-include=^sda$"},
			func(o *host.Options) { o.Disks = host.Filter{Include: "^sda$"} }, "",
		},
		"both": {
			[]string{"--collector.filesystem.fs-types-include=ext4", "--collector.filesystem.fs-types-exclude=nfs"},
			nil,
			"--collector.filesystem.fs-types-include and --collector.filesystem.fs-types-exclude cannot be used together",
		},
		"one of them empty": {
			[]string{"--collector.netdev.device-include=", "--collector.netdev.device-exclude=lo"},
			func(o *host.Options) { o.NetDevs.Exclude = "lo" }, "",
		},
		"the other one empty": {
			[]string{"--collector.filesystem.fs-types-include=ext4", "--collector.filesystem.fs-types-exclude="},
			func(o *host.Options) { o.FSTypes = host.Filter{Include: "ext4"} }, "",
		},
		"an empty include is none": {[]string{"--collector.diskstats.device-include="}, func(*host.Options) {}, ""},
		"both of systemd": {
			[]string{"--collector.systemd.unit-include=ngin.+"},
			func(o *host.Options) { o.Units.Include = "ngin.+" }, "",
		},
		"nothing excluded": {
			[]string{"--collector.filesystem.mount-points-exclude="},
			func(o *host.Options) { o.MountPoints.Exclude = "" }, "",
		},
		"switches": {
			[]string{
				"--collector.cpu.info", "--no-collector.cpu.guest", "--collector.netclass.ignore-invalid-speed",
				"--collector.textfile.directory=/a", "--collector.textfile.directory=/b/*", "--collector.filesystem.mount-timeout=1s",
			},
			func(o *host.Options) {
				o.CPUInfo, o.CPUGuest, o.InvalidSpeed = true, false, false
				o.TextfileDirs, o.MountTimeout = []string{"/a", "/b/*"}, time.Second
			}, "",
		},
		"foreign collectors off": {[]string{"--no-collector.zfs", "--no-collector.infiniband"}, func(*host.Options) {}, ""},
		"foreign collector on":   {[]string{"--collector.zfs"}, nil, "--collector.zfs: chronoops has no such collector"},
		"foreign collector alone": {
			[]string{"--collector.disable-defaults", "--collector.zfs"}, nil, "--collector.zfs: chronoops has no such collector",
		},
		"foreign metrics on": {[]string{"--collector.netdev.address-info"}, nil, "chronoops does not have the metrics that this adds"},
		"repeated":           {[]string{"--collector.cpu", "--no-collector.cpu"}, nil, "cannot be repeated"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseHostFlags(t, test.args...)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := host.Defaults()
			test.want(&want)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(host.Options{}, "Logger")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
