package host

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

const (
	// Before Linux 5.18 asking an x86 CPU for its frequency takes 10 ms of waiting, so that many are asked at once.
	slowFrequency = 5 * time.Millisecond
	freqWorkers   = 64

	cpuFrequencyHelp = "Frequency of the CPU."
)

// freqFile is a file of a CPU's cpufreq folder (Documentation/admin-guide/pm/cpufreq.rst).
type freqFile struct {
	name   string
	family *collector.Family
	seldom bool // a limit of the hardware, read again after a minute
}

var freqFiles = [...]freqFile{
	{"cpuinfo_cur_freq", gauge("node_cpu_frequency_hertz", cpuFrequencyHelp, "cpu"), false},
	{"cpuinfo_avg_freq", gauge("node_cpu_frequency_avg_hertz", "Frequency of the CPU, averaged by the hardware.", "cpu"), false},
	{"cpuinfo_min_freq", gauge("node_cpu_frequency_min_hertz", "Lowest frequency that the CPU can run at.", "cpu"), true},
	{"cpuinfo_max_freq", gauge("node_cpu_frequency_max_hertz", "Highest frequency that the CPU can run at.", "cpu"), true},
	{"scaling_cur_freq", gauge("node_cpu_scaling_frequency_hertz", "Frequency that the CPU was set to.", "cpu"), false},
	{"scaling_min_freq", gauge("node_cpu_scaling_frequency_min_hertz", "Lowest frequency that the CPU may be set to.", "cpu"), false},
	{"scaling_max_freq", gauge("node_cpu_scaling_frequency_max_hertz", "Highest frequency that the CPU may be set to.", "cpu"), false},
}

var (
	cpuGovernor = gauge("node_cpu_scaling_governor", "1 for the governor that sets the CPU's frequency, of those available.", "cpu", "governor")

	cpufreqArea = area{name: "cpufreq", families: cpufreqFamilies, open: openCPUFreq}
)

var cpufreqFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, f := range freqFiles {
		fs = append(fs, f.family)
	}
	return append(fs, cpuGovernor)
}()

// freqPolicy is the settings that one or more CPUs share.
type freqPolicy struct {
	dir       string
	cpus      []string
	files     [len(freqFiles)]*file // nil where there is none
	governor  *file
	governors []string

	hertz   [len(freqFiles)]float64
	known   [len(freqFiles)]bool
	current string // governor
	buf     []byte
}

// read reads the policy anew; what the kernel does not know at the moment is left out.
func (p *freqPolicy) read(all bool) (err error) {
	var errs []error
	for i, f := range p.files {
		if f == nil || freqFiles[i].seldom && !all {
			continue
		}
		khz, err := p.readFrequency(f)
		p.hertz[i], p.known[i] = float64(khz)*1000, err == nil
		if err != nil && !isUnknown(err) {
			errs = append(errs, err)
		}
	}
	if p.governor != nil {
		if p.buf, err = p.governor.read(p.buf); err != nil && !isUnknown(err) {
			errs = append(errs, err)
		}
		setText(&p.current, bytes.TrimSpace(p.buf))
		if all { // drivers and modules bring governors
			p.buf, _ = readAttribute(unix.AT_FDCWD, p.dir+"/scaling_available_governors", p.buf)
			p.governors = strings.Fields(string(p.buf))
		}
	}
	return errors.Join(errs...)
}

func (p *freqPolicy) readFrequency(f *file) (khz uint64, err error) {
	if p.buf, err = f.read(p.buf); err != nil {
		return 0, err
	}
	text := bytes.TrimSpace(p.buf)
	if string(text) == "<unknown>" {
		return 0, errUnknown
	}
	if khz, err = parseUint(text); err != nil {
		return 0, fmt.Errorf("%s: %w", f.path, err)
	}
	return khz, nil
}

// errUnknown is a frequency that the kernel cannot tell at the moment.
var errUnknown = errors.New("unknown")

func isUnknown(err error) bool {
	return errors.Is(err, errUnknown) || isAbsent(err) || isTemporary(err)
}

func (p *freqPolicy) record(w *collector.Writer) {
	for _, cpu := range p.cpus {
		for i, known := range p.known {
			if known {
				w.Add(freqFiles[i].family, p.hertz[i], cpu)
			}
		}
		for _, governor := range p.governors {
			if p.current != "" {
				w.Add(cpuGovernor, bool01(governor == p.current), cpu, governor)
			}
		}
	}
}

// cpuFreq is the policies of the CPUs that are online.
type cpuFreq struct {
	s        *sources
	files    fileSet
	policies []*freqPolicy
	version  int       // of the CPUs
	folders  []uint64  // inodes of their cpufreq folders, 0 for none; those that share a policy have the same
	readAll  time.Time // when the folders and the limits of the hardware were looked at
	slow     bool      // policies are read at once
}

func openCPUFreq(s *sources) (reader, error) {
	s.openCPUs()
	f := &cpuFreq{s: s, files: fileSet{s: s}}
	return f.record, nil
}

func (f *cpuFreq) record(w *collector.Writer) error {
	cpus, version, err := f.s.onlineCPUs()
	if err != nil {
		return err
	}
	all := version != f.version || !f.s.recent(f.readAll)
	if all {
		if folders := f.look(cpus); version != f.version || !slices.Equal(folders, f.folders) { // a driver may come late
			f.find(cpus, folders)
		}
		f.version, f.readAll = version, f.s.now()
	}
	err = f.read(all)
	for _, p := range f.policies {
		p.record(w)
	}
	return err
}

func (f *cpuFreq) dir(cpu int) string { return f.s.cpuPath("cpu"+strconv.Itoa(cpu)) + "/cpufreq" }

// look returns what is kept in folders.
func (f *cpuFreq) look(cpus []int) []uint64 {
	folders := make([]uint64, len(cpus))
	for i, cpu := range cpus {
		var stat unix.Stat_t
		if err := unix.Stat(f.dir(cpu), &stat); err == nil {
			folders[i] = stat.Ino
		}
	}
	return folders
}

// find looks up the policies of the CPUs.
func (f *cpuFreq) find(cpus []int, folders []uint64) {
	f.files.reset()
	f.policies, f.folders, f.slow = nil, folders, false
	byFolder := make(map[uint64]*freqPolicy)
	for i, cpu := range cpus {
		if folders[i] == 0 {
			continue
		}
		p := byFolder[folders[i]]
		if p == nil {
			p = f.findPolicy(f.dir(cpu))
			byFolder[folders[i]] = p
			f.policies = append(f.policies, p)
		}
		p.cpus = append(p.cpus, strconv.Itoa(cpu))
	}
}

func (f *cpuFreq) findPolicy(dir string) *freqPolicy {
	p := &freqPolicy{dir: dir}
	for i, file := range freqFiles {
		p.files[i] = f.files.addPresent(dir + "/" + file.name)
	}
	p.governor = f.files.addPresent(dir + "/scaling_governor")
	return p
}

// read reads all policies, at once if the first took its time.
func (f *cpuFreq) read(all bool) error {
	policies := f.policies
	errs := make([]error, len(policies))
	if !f.slow {
		start := time.Now()
		for i, p := range policies {
			errs[i] = p.read(all)
			if i == 0 && time.Since(start) > slowFrequency {
				f.slow = true
				break
			}
		}
	}
	if f.slow {
		next := make(chan int)
		var wg sync.WaitGroup
		for range min(freqWorkers, len(policies)) {
			wg.Go(func() {
				for i := range next {
					errs[i] = policies[i].read(all)
				}
			})
		}
		for i := range policies {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	return errors.Join(errs...)
}
