package main

import (
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"

	programs "github.com/chronoops/chronoops/tools/parts"
)

// theirFlag is a flag as node_exporter's help has it.
type theirFlag struct {
	name, value, help string
	isSwitch          bool
}

var flagInHelp = regexp.MustCompile(`^ +(?:-\w, )?--(\[no-\])?([\w.-]+)(?:=(\S+))?(?: \.\.\.)?(?:  +(.*))?$`)

func nodeExporterFlags(t *testing.T) (list []theirFlag) {
	t.Helper()
	program, err := programs.Find("node_exporter")
	if err != nil {
		t.Fatal(err)
	}
	cmd := program.Command("--help")
	// GOMAXPROCS of the environment would be shown as a default.
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(help)) {
		line = strings.TrimRight(line, "\n")
		if m := flagInHelp.FindStringSubmatch(line); m != nil {
			list = append(list, theirFlag{name: m[2], value: m[3], help: m[4], isSwitch: m[1] != ""})
		} else if n := len(list); n > 0 {
			list[n-1].help += " " + strings.TrimSpace(line)
		}
	}
	if len(list) < 150 {
		t.Fatalf("%d flags in the help of node_exporter:\n%s", len(list), help)
	}
	return list
}

// defaultOf returns the default that the help tells, empty for none.
func (f theirFlag) defaultOf(t *testing.T) string {
	t.Helper()
	switch {
	case f.isSwitch && strings.Contains(f.help, "(default: enabled)"):
		return "true"
	case f.isSwitch:
		return "false"
	case f.value == strings.ToUpper(f.name): // what stands there if there is none
		return ""
	case strings.HasPrefix(f.value, `"`):
		value, err := strconv.Unquote(f.value)
		if err != nil {
			t.Fatalf("--%s=%s: %v", f.name, f.value, err)
		}
		return value
	default:
		return f.value
	}
}

// otherDefaults are those that differ from what node_exporter's help says.
var otherDefaults = map[string]string{
	"web.listen-address": defaultAddress,
	// An expression that matches everything, or nothing, and none at all are the same.
	"collector.netclass.ignored-devices":     "",
	"collector.powersupply.ignored-supplies": "",
	"collector.slabinfo.slabs-include":       "",
	// The help does not tell that they are on.
	"collector.cpu.guest":                "true",
	"collector.interrupts.include-zeros": "true",
}

// TestNodeExporterFlags holds our flags to those of the real node_exporter: each is taken under its name with its default.
func TestNodeExporterFlags(t *testing.T) {
	app := kingpin.New("chronoops", "")
	var f serveFlags
	f.register(app.Command("serve", ""), app)
	app.Version("x")
	ours := map[string]*kingpin.FlagModel{}
	for _, m := range slices.Concat(app.Model().Flags, app.Model().Commands[slices.IndexFunc(app.Model().Commands, func(c *kingpin.CmdModel) bool { return c.Name == "serve" })].Flags) {
		ours[m.Name] = m
	}
	refused := map[string]bool{}
	for _, name := range slices.Concat(foreignCollectors, foreignSwitches) {
		refused["collector."+name] = true
	}
	unknown := maps.Clone(refused)
	for _, x := range slices.Concat(idleSettings, idleSwitches) {
		unknown["collector."+x] = true
	}
	for _, x := range []string{"filesystem.stat-workers", "qdisk.device-exclude", "qdisk.device-include", "systemd.private"} { // hidden
		delete(unknown, "collector."+x)
	}
	others := maps.Clone(otherDefaults)
	for _, theirs := range nodeExporterFlags(t) {
		delete(unknown, theirs.name)
		our := ours[theirs.name]
		if our == nil {
			t.Errorf("--%s is not there", theirs.name)
			continue
		}
		if our.IsBoolFlag() != theirs.isSwitch {
			t.Errorf("--%s is a switch: %v, for them %v", theirs.name, our.IsBoolFlag(), theirs.isSwitch)
			continue
		}
		if theirs.name == "help" || theirs.name == "version" {
			continue
		}
		value, want := strings.Join(our.Default, ","), theirs.defaultOf(t)
		if other, ok := others[theirs.name]; ok {
			want = other
			delete(others, theirs.name)
		}
		if our.IsBoolFlag() && value == "" {
			value = "false"
		}
		if !our.Hidden && value != want {
			t.Errorf("--%s: default %q, want %q", theirs.name, value, want)
		}
		args := []string{"--" + theirs.name, "--no-" + theirs.name}
		if !theirs.isSwitch {
			args = []string{"--" + theirs.name + "=" + theirs.defaultOf(t)}
		}
		for _, arg := range args {
			_, err := parseHostFlags(t, arg)
			if (err != nil) != (refused[theirs.name] && !strings.HasPrefix(arg, "--no-")) {
				t.Errorf("%s: %v", arg, err)
			}
		}
	}
	for name := range maps.Keys(unknown) {
		t.Errorf("--%s: node_exporter has no such flag", name)
	}
	for name := range others {
		t.Errorf("--%s: its default is the same as node_exporter's", name)
	}
}

// TestFormerFlags sets filters by names that node_exporter takes without showing them.
func TestFormerFlags(t *testing.T) {
	o, err := parseHostFlags(t,
		"--collector.netdev.device-whitelist=eth.*", "--collector.filesystem.ignored-mount-points=^/m", "--collector.filesystem.ignored-fs-types=nfs",
		"--collector.diskstats.ignored-devices=sd", "--collector.systemd.unit-whitelist=a", "--collector.systemd.unit-blacklist=b",
		"--collector.filesystem.stat-workers=8", "--no-collector.arp.netlink", "--no-collector.netdev.netlink", "--collector.netclass.netlink",
	)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		o.NetDevs.Include, o.NetDevs.Exclude, o.MountPoints.Exclude, o.FSTypes.Exclude, o.Disks.Exclude, o.Units.Include, o.Units.Exclude,
	}
	if diff := cmp.Diff([]string{"eth.*", "", "^/m", "nfs", "sd", "a", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseHostFlags(t, "--collector.netdev.device-blacklist=a", "--collector.netdev.device-include=b"); err == nil {
		t.Error("an include and an exclude were taken together")
	}
}

func TestProcessorsFlag(t *testing.T) {
	parse := func(args ...string) (processors, error) {
		var f serveFlags
		app := kingpin.New("chronoops", "").Writer(io.Discard).Terminate(func(int) { t.Error("the program would have ended") })
		f.register(app.Command("serve", ""), app)
		_, err := app.Parse(append([]string{"serve"}, args...))
		return f.maxProcs, err
	}
	for _, test := range []struct {
		env  string
		args []string
		want processors
		err  string
	}{
		{"", nil, 1, ""},
		{"4", nil, 4, ""},
		{"0", nil, 0, ""}, // as for Go's runtime, which takes all there are
		{"4", []string{"--runtime.gomaxprocs=2"}, 2, ""},
		{"nonsense", nil, 0, `GOMAXPROCS in the environment, is "nonsense"`},
		{"", []string{"--runtime.gomaxprocs=-1"}, 0, `--runtime.gomaxprocs, or GOMAXPROCS in the environment, is "-1"`},
	} {
		t.Setenv("GOMAXPROCS", test.env)
		got, err := parse(test.args...)
		if test.err == "" && (err != nil || got != test.want) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("GOMAXPROCS=%s %v: %d, %v; want %d, %q", test.env, test.args, got, err, test.want, test.err)
		}
	}
}
