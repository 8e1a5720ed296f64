package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var (
	procsPids         = gauge("node_processes_pids", "Processes.")
	procsThreads      = gauge("node_processes_threads", "Threads of all processes.")
	procsState        = gauge("node_processes_state", "Processes in each state, by its letter in /proc/PID/stat.", "state")
	procsThreadsState = gauge("node_processes_threads_state", "Threads in each state, by its letter in /proc/PID/stat.", "thread_state")
	procsMaxThreads   = gauge("node_processes_max_threads", "Threads that there may be.")
	procsMaxPids      = gauge("node_processes_max_processes", "Process IDs that there may be.")
)

var processesArea = area{
	name: "processes", optIn: true, open: openProcesses,
	families: []*collector.Family{procsPids, procsThreads, procsState, procsThreadsState, procsMaxThreads, procsMaxPids},
}

// taskStat is what is taken of /proc/PID/stat (fs/proc/array.c).
type taskStat struct {
	state   byte
	threads uint64
}

func parseTaskStat(b []byte) (t taskStat, err error) {
	const threadsField = 17                 // after the state
	name := bytes.LastIndex(b, []byte(")")) // it may hold anything
	state, rest := cutField(b[name+1:])
	if name < 0 || len(state) != 1 {
		return t, errors.New("stat: no state")
	}
	var field []byte
	for range threadsField {
		field, rest = cutField(rest)
	}
	t.state = state[0]
	if t.threads, err = parseUint(field); err != nil {
		return t, fmt.Errorf("stat: threads: %w", err)
	}
	return t, nil
}

// stateCounts counts tasks by the letter of their state.
type stateCounts struct {
	family *collector.Family
	now    [128]int
	seen   [128]bool // shown even while no task is in that state
}

func (c *stateCounts) add(state byte) {
	state %= 128
	c.now[state]++
	c.seen[state] = true
}

func (c *stateCounts) record(w *collector.Writer) {
	for state, seen := range c.seen {
		if seen {
			w.Add(c.family, float64(c.now[state]), string(rune(state)))
		}
	}
}

// processReader counts processes through one kept descriptor of /proc, and one buffer each for listings and contents.
type processReader struct {
	s                   *sources
	dir                 *file
	maxThreads, maxPids *file

	names, stat []byte
	pids, tids  []int

	counted, threads uint64
	procs, tasks     stateCounts
}

func openProcesses(s *sources) (reader, error) {
	r := &processReader{
		s: s, dir: s.keep(s.o.ProcFS), maxThreads: s.sysctl("kernel/threads-max"), maxPids: s.sysctl("kernel/pid_max"),
		procs: stateCounts{family: procsState}, tasks: stateCounts{family: procsThreadsState},
	}
	return r.record, nil
}

func (r *processReader) record(w *collector.Writer) error {
	limitsErr := r.s.recordNumbers(w, numberFile{r.maxThreads, procsMaxThreads}, numberFile{r.maxPids, procsMaxPids})
	if err := r.count(); err != nil { // procfs may be mounted with hidepid=1
		return errors.Join(err, limitsErr)
	}
	w.Add(procsPids, float64(r.counted))
	w.Add(procsThreads, float64(r.threads))
	r.procs.record(w)
	r.tasks.record(w)
	return limitsErr
}

func (r *processReader) count() error {
	r.counted, r.threads, r.procs.now, r.tasks.now = 0, 0, [128]int{}, [128]int{}
	proc, err := r.dir.open()
	if err != nil {
		return err
	}
	if r.pids, err = r.list(proc, r.pids[:0]); err != nil {
		r.dir.close()
		return fmt.Errorf("list processes: %w", err)
	}
	for _, pid := range r.pids {
		if err := r.countProcess(proc, pid); err != nil && !hasEnded(err) {
			return fmt.Errorf("process %d: %w", pid, err)
		}
	}
	return nil
}

func (r *processReader) countProcess(proc, pid int) error {
	leader, err := r.readStat(proc, pid)
	if err != nil {
		return err
	}
	r.counted++
	r.threads += leader.threads
	r.procs.add(leader.state)
	if leader.threads <= 1 {
		r.tasks.add(leader.state)
		return nil
	}
	dir, err := unix.Openat(proc, strconv.Itoa(pid)+"/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if r.tids, err = r.list(dir, r.tids[:0]); err != nil {
		return err
	}
	for _, tid := range r.tids {
		if tid == pid {
			r.tasks.add(leader.state)
			continue
		}
		task, err := r.readStat(dir, tid)
		if err == nil {
			r.tasks.add(task.state)
		} else if !hasEnded(err) {
			return err
		}
	}
	return nil
}

// hasEnded reports whether a process or thread is not there any more.
func hasEnded(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

func (r *processReader) readStat(dir, id int) (taskStat, error) {
	fd, err := unix.Openat(dir, strconv.Itoa(id)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return taskStat{}, err
	}
	defer unix.Close(fd)
	r.stat = grow(r.stat[:0])
	n, err := unix.Read(fd, r.stat[:cap(r.stat)]) // a kernel file of less than a page comes whole
	if err != nil {
		return taskStat{}, err
	}
	return parseTaskStat(r.stat[:n])
}

// list appends the numbers among the names in a folder.
func (r *processReader) list(dir int, ids []int) ([]int, error) {
	if _, err := unix.Seek(dir, 0, unix.SEEK_SET); err != nil {
		return ids, err
	}
	if r.names == nil {
		r.names = make([]byte, 32<<10)
	}
	for {
		n, err := unix.ReadDirent(dir, r.names)
		switch {
		case err == unix.EINTR:
		case err != nil || n == 0:
			return ids, err
		default:
			ids = appendIDs(ids, r.names[:n])
		}
	}
}

// appendIDs appends the numbers among the names of struct linux_dirent64, which getdents64(2) fills.
func appendIDs(ids []int, b []byte) []int {
	const (
		lengthAt = 16
		nameAt   = 19
	)
	for len(b) > nameAt {
		length := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		if length <= nameAt || length > len(b) {
			break
		}
		name, _, _ := bytes.Cut(b[nameAt:length], []byte{0})
		if id, err := parseUint(name); err == nil && id <= math.MaxInt32 {
			ids = append(ids, int(id))
		}
		b = b[length:]
	}
	return ids
}
