package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dropStartPages takes the pages of the program file out of this process that only its start needed, which is most of
// them: packages initialise themselves all over the file, and the kernel maps the neighbourhood of each page that is
// touched. What is needed again is mapped again from the page cache.
func dropStartPages() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program file: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	areas, err := unwrittenAreas(f, self)
	if err != nil {
		return err
	}
	for _, a := range areas {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, a.from, a.to-a.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}

// memoryArea is a range of addresses.
type memoryArea struct{ from, to uintptr }

// unwrittenAreas reads proc_pid_smaps(5) for where the file is mapped as it is on disk: neither writable nor written to
// before, as relocated data is.
func unwrittenAreas(smaps io.Reader, file string) ([]memoryArea, error) {
	var areas []memoryArea
	var area memoryArea
	ofFile := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 3 && fields[0] == "Anonymous:":
			if ofFile && fields[1] == "0" {
				areas = append(areas, area)
			}
		case len(fields) > 0 && strings.HasSuffix(fields[0], ":"): // another detail of the area
		default:
			ofFile = len(fields) > 5 && fields[5] == file && !strings.Contains(fields[1], "w")
			if !ofFile {
				continue
			}
			first, last, _ := strings.Cut(fields[0], "-")
			from, err := strconv.ParseUint(first, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("/proc/self/smaps: %w", err)
			}
			to, err := strconv.ParseUint(last, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("/proc/self/smaps: %w", err)
			}
			area = memoryArea{uintptr(from), uintptr(to)}
		}
	}
	return areas, lines.Err()
}
