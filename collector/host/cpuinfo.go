package host

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	cpuInfo = gauge("node_cpu_info", "What /proc/cpuinfo tells about the CPU.",
		"cpu", "package", "core", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize")
	cpuInfoFrequency = gauge("node_cpu_frequency_hertz", cpuFrequencyHelp, "package", "core", "cpu")
	cpuFlagInfo      = gauge("node_cpu_flag_info", "Features of the first CPU.", "flag")
	cpuBugInfo       = gauge("node_cpu_bug_info", "Hardware bugs of the first CPU that the kernel knows.", "bug")
	cpuInfoFamilies  = []*collector.Family{cpuInfo, cpuInfoFrequency, cpuFlagInfo, cpuBugInfo}
)

// The fields of a block of /proc/cpuinfo, in the order of node_cpu_info's labels as far as they are labels.
const (
	infoCPU = iota
	infoPackage
	infoCore
	infoVendor
	infoFamily
	infoModel
	infoModelName
	infoMicrocode
	infoStepping
	infoCacheSize
	infoVariant // of ARM, which has no stepping
	infoRevision
	infoMHz
	infoFlags
	infoBugs
	infoFields
)

const infoLabels = infoCacheSize + 1

// infoField finds a line's field by its name, which differs between x86 and ARM.
var infoField = map[string]int{
	"processor": infoCPU, "physical id": infoPackage, "core id": infoCore,
	"vendor_id": infoVendor, "vendor": infoVendor, "CPU implementer": infoVendor,
	"cpu family": infoFamily, "CPU architecture": infoFamily,
	"model": infoModel, "CPU part": infoModel, "model name": infoModelName,
	"microcode": infoMicrocode, "stepping": infoStepping, "cache size": infoCacheSize,
	"CPU variant": infoVariant, "CPU revision": infoRevision, "cpu MHz": infoMHz,
	"flags": infoFlags, "Features": infoFlags, "bugs": infoBugs,
}

// parseCPUInfo calls yield for each block of /proc/cpuinfo that begins with the number of a CPU.
func parseCPUInfo(b []byte, yield func(fields *[infoFields][]byte) error) error {
	var block [infoFields][]byte
	flush := func() error {
		if block[infoCPU] == nil {
			return nil
		}
		if n, err := parseUint(block[infoCPU]); err != nil || n >= maxCPU {
			return fmt.Errorf("/proc/cpuinfo: there is no CPU %q", block[infoCPU])
		}
		return yield(&block)
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		i, known := infoField[string(bytes.TrimSpace(name))]
		if !known {
			continue
		}
		if i == infoCPU {
			if err := flush(); err != nil {
				return err
			}
			block = [infoFields][]byte{}
		}
		if value = bytes.TrimSpace(value); len(value) > 0 {
			block[i] = value
		}
	}
	return flush()
}

// armStepping names variant and revision as ARM does, e.g. r3p1.
func armStepping(variant, revision []byte) string {
	v, verr := strconv.ParseUint(string(variant), 0, 8)
	r, rerr := strconv.ParseUint(string(revision), 0, 8)
	switch {
	case verr == nil && rerr == nil:
		return fmt.Sprintf("r%dp%d", v, r)
	case verr == nil:
		return fmt.Sprintf("r%d", v)
	case rerr == nil:
		return fmt.Sprintf("p%d", r)
	default:
		return ""
	}
}

// knownCPU is what the series of a CPU were made from.
type knownCPU struct {
	fields [infoRevision + 1]string
	labels [infoLabels]string
}

func (k *knownCPU) is(fields *[infoFields][]byte) bool {
	for i, f := range k.fields {
		if f != string(fields[i]) {
			return false
		}
	}
	return true
}

func newKnownCPU(fields *[infoFields][]byte) *knownCPU {
	k := &knownCPU{}
	for i := range k.fields {
		k.fields[i] = string(fields[i])
	}
	copy(k.labels[:], k.fields[:])
	if k.labels[infoStepping] == "" {
		k.labels[infoStepping] = armStepping(fields[infoVariant], fields[infoRevision])
	}
	return k
}

// wordList is the words of a line that match an expression.
type wordList struct {
	match *regexp.Regexp // nil for none
	line  string
	words []string
}

func (l *wordList) of(line []byte) []string {
	if l.match != nil && l.line != string(line) {
		l.line, l.words = string(line), nil
		for word := range strings.FieldsSeq(l.line) {
			if l.match.MatchString(word) {
				l.words = append(l.words, word)
			}
		}
	}
	return l.words
}

// openCPUInfo reads /proc/cpuinfo if that is asked for.
func openCPUInfo(s *sources) (reader, error) {
	flagExpr, err := compile(s.o.CPUFlags)
	if err != nil {
		return nil, fmt.Errorf("flags: %w", err)
	}
	bugExpr, err := compile(s.o.CPUBugs)
	if err != nil {
		return nil, fmt.Errorf("bugs: %w", err)
	}
	if !s.o.CPUInfo && flagExpr == nil && bugExpr == nil {
		return func(*collector.Writer) error { return nil }, nil
	}
	f := s.proc("cpuinfo")
	flags, bugs := wordList{match: flagExpr}, wordList{match: bugExpr}
	known := make(map[string]*knownCPU)
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		first, frequencies := true, w.Selected("cpufreq")
		return parseCPUInfo(b, func(fields *[infoFields][]byte) error {
			cpu := known[string(fields[infoCPU])]
			if cpu == nil || !cpu.is(fields) {
				cpu = newKnownCPU(fields)
				known[cpu.labels[infoCPU]] = cpu
			}
			w.Add(cpuInfo, 1, cpu.labels[:]...)
			if first {
				for _, flag := range flags.of(fields[infoFlags]) {
					w.Add(cpuFlagInfo, 1, flag)
				}
				for _, bug := range bugs.of(fields[infoBugs]) {
					w.Add(cpuBugInfo, 1, bug)
				}
				first = false
			}
			if mhz := fields[infoMHz]; mhz != nil && frequencies {
				v, err := strconv.ParseFloat(string(mhz), 64)
				if err != nil {
					return fmt.Errorf("/proc/cpuinfo: cpu MHz: %w", err)
				}
				w.Add(cpuInfoFrequency, v*1e6, cpu.labels[infoPackage], cpu.labels[infoCore], cpu.labels[infoCPU])
			}
			return nil
		})
	}, nil
}
