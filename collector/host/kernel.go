package host

import (
	"context"
	"path/filepath"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// Kernel reads the host's kernel files, each once in a scrape.
type Kernel struct {
	o          Options
	skipDisk   func(name string) bool
	skipNetDev func(name string) bool

	stat, meminfo, loadavg, diskstats, netdev file

	buf   []byte // of kept files
	small []byte // of the files read for one device

	statRead bool // /proc/stat was read in this collection
	statErr  error
	kstat    kernelStat
	cpus     map[int]cpuTicks

	now   func() time.Time
	uname func() (utsname, error)
}

// NewKernel returns a collector over o. Nothing is opened before the first collection.
func NewKernel(o Options) (*Kernel, error) {
	skipDisk, err := exclude("disks", o.DisksExclude)
	if err != nil {
		return nil, err
	}
	skipNetDev, err := exclude("network devices", o.NetDevsExclude)
	if err != nil {
		return nil, err
	}
	proc := func(name string) file { return file{path: filepath.Join(o.ProcFS, name)} }
	return &Kernel{
		o: o, skipDisk: skipDisk, skipNetDev: skipNetDev,
		stat: proc("stat"), meminfo: proc("meminfo"), loadavg: proc("loadavg"),
		diskstats: proc("diskstats"), netdev: proc("net/dev"),
		cpus: make(map[int]cpuTicks), now: time.Now, uname: uname,
	}, nil
}

// Parts implements collector.Collector.
func (k *Kernel) Parts() []collector.Part {
	return []collector.Part{
		{Name: "cpu", Default: true, Families: cpuFamilies},
		{Name: "stat", Default: true, Families: statFamilies},
		{Name: "meminfo", Default: true, Families: meminfoFamilies},
		{Name: "loadavg", Default: true, Families: loadFamilies},
		{Name: "diskstats", Default: true, Families: diskFamilies},
		{Name: "netdev", Default: true, Families: netFamilies},
		{Name: "uname", Default: true, Families: []*collector.Family{unameInfo}},
		{Name: "time", Default: true, Families: timeFamilies},
	}
}

// Collect implements collector.Collector.
func (k *Kernel) Collect(_ context.Context, w *collector.Writer) error {
	k.statRead = false
	w.Part("cpu", func() error { return k.recordCPU(w) })
	w.Part("stat", func() error { return k.recordStat(w) })
	w.Part("meminfo", func() error { return k.recordMeminfo(w) })
	w.Part("loadavg", func() error { return k.recordLoad(w) })
	w.Part("diskstats", func() error { return k.recordDisks(w) })
	w.Part("netdev", func() error { return k.recordNetDevs(w) })
	w.Part("uname", func() error { return k.recordUname(w) })
	w.Part("time", func() error { return k.recordTime(w) })
	return nil
}

// Close closes the files kept open; a later collection opens them again.
func (k *Kernel) Close() {
	for _, f := range []*file{&k.stat, &k.meminfo, &k.loadavg, &k.diskstats, &k.netdev} {
		f.close()
	}
}

// gauge and counter declare families with one line each.
func gauge(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Gauge, Labels: labels}
}

func counter(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Counter, Labels: labels}
}
