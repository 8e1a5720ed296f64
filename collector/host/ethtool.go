package host

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool asks drivers for speed and duplex, with one call in place of two files. It is for devices whose link is
// there: it may wake others from suspension, which sysfs does not.
type ethtool struct {
	request  ethtoolRequest
	settings ethtoolSettings
	words    int8 // in each of the masks, which the kernel wants to be told
}

// ethtoolRequest is struct ifreq (include/uapi/linux/if.h).
type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// ethtoolSettings is struct ethtool_link_settings (include/uapi/linux/ethtool.h) with room for all masks.
type ethtoolSettings struct {
	command, speed uint32
	duplex         uint8
	_              [6]byte
	words          int8
	_              [32]byte
	_              [3 * 127]uint32
}

// get asks over any socket of the device's network. Speed, in Mbit/s, and duplex are as sysfs has them;
// unix.EOPNOTSUPP says that there are none.
func (e *ethtool) get(socket uintptr, device string) (speed int64, duplex string, err error) {
	e.request = ethtoolRequest{data: unsafe.Pointer(&e.settings)}
	if copy(e.request.name[:len(e.request.name)-1], device) < len(device) {
		return 0, "", unix.ENAMETOOLONG
	}
	for range 2 { // the first call ever tells the number of words
		e.settings = ethtoolSettings{command: unix.ETHTOOL_GLINKSETTINGS, words: e.words}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, socket, unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&e.request)))
		if errno != 0 {
			return 0, "", errno
		}
		if e.settings.words >= 0 {
			return int64(int32(e.settings.speed)), duplexName(e.settings.duplex), nil
		}
		e.words = -e.settings.words
	}
	return 0, "", unix.EINVAL
}

// duplexName is as in net/core/net-sysfs.c.
func duplexName(duplex uint8) string {
	switch duplex {
	case 0:
		return "half"
	case 1:
		return "full"
	}
	return "unknown"
}
