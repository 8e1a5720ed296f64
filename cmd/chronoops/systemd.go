package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifySystemd tells systemd of a change of state; without systemd nothing happens.
func notifySystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be notified", "err", err)
	}
}

// notifyReloading begins a reload in the form that Type=notify-reload wants, see sd_notify(3).
func notifyReloading(log *slog.Logger) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		log.Warn("CLOCK_MONOTONIC could not be read", "err", err)
		return
	}
	notifySystemd(log, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, ts.Nano()/1000))
}

// keepWatchdog tells systemd at half of WatchdogSec that all is well, until ctx ends.
func (s *server) keepWatchdog(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("WATCHDOG_USEC could not be read", "err", err)
	}
	if every <= 0 {
		return
	}
	ticker := time.NewTicker(every / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.petWatchdog()
		}
	}
}

// petWatchdog keeps systemd from restarting us, as long as the engine moves.
func (s *server) petWatchdog() {
	if r := s.receiver.Load(); r != nil {
		if err := r.engine.Healthy(); err != nil {
			s.log.Error("Not telling systemd that all is well", "err", err)
			return
		}
	}
	notifySystemd(s.log, daemon.SdNotifyWatchdog)
}
