package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// restart replaces the process of the pid file. The new one gets a session of its own: chronoops ends the process group
// of the command that it runs.
func restart(o options) error {
	pid, err := o.process()
	if err != nil {
		return err
	}
	if pid != 0 {
		if err := end(pid); err != nil {
			return err
		}
		fmt.Printf("ended process %d\n", pid)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(o.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "serve", "-name="+o.name, "-listen="+o.listen, "-needs="+o.needs, "-owner="+o.owner)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Printf("started process %d\n", cmd.Process.Pid)
	return os.WriteFile(o.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

// reload is the gentle one: the process stays.
func reload(o options) error {
	pid, err := o.process()
	if err != nil {
		return err
	}
	if pid == 0 {
		return errors.New("there is no process to reload")
	}
	fmt.Printf("told process %d to reload\n", pid)
	return syscall.Kill(pid, syscall.SIGHUP)
}

// process returns the process of the pid file, or 0 if it is gone: another program may have its number by now.
func (o options) process() (int, error) {
	b, err := os.ReadFile(o.pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s holds no process number", o.pidFile)
	}
	if !running(pid) {
		return 0, nil
	}
	return pid, nil
}

// running tells whether a process is this program. That of a zombie has no executable.
func running(pid int) bool {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return false
	}
	other, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && other == self
}

func end(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(5 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", pid)
		}
	}
	return nil
}
