package hosttest

import (
	"fmt"
	"strings"
)

// disk is a block device, or a partition of one.
type disk struct {
	major, minor int
	name         string
	path         string // below sys/devices; empty for a partition, which lies below its disk
	sectors      int
	rotational   bool
	columns      int    // of /proc/diskstats after the name: 17 since Linux 5.5
	udev         string // properties, separated by |
}

var ownDisks = []disk{
	{major: 7, name: "loop0", path: "virtual/block/loop0", sectors: 113384, columns: 17},
	{
		major: 8, name: "sda", path: "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda", sectors: 3907029168, rotational: true, columns: 17,
		udev: "DEVTYPE=disk|ID_ATA=1|ID_ATA_ROTATION_RATE_RPM=7200|ID_ATA_WRITE_CACHE=1|ID_ATA_WRITE_CACHE_ENABLED=0|ID_MODEL=EXAMPLE_HDD2T|ID_REVISION=0B01|ID_SERIAL=EXAMPLE_HDD2T_A1|ID_SERIAL_SHORT=A1|ID_WWN=0x5000c500a1|ID_PATH=pci-0000:00:17.0-ata-1",
	},
	{major: 8, minor: 1, name: "sda1", sectors: 1048576, columns: 17, udev: "DEVTYPE=partition|ID_FS_TYPE=vfat"},
	{
		major: 8, minor: 16, name: "sdb", path: "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb", sectors: 1953525168, columns: 17,
		udev: `DEVTYPE=disk|ID_ATA=1|ID_ATA_ROTATION_RATE_RPM=0|ID_ATA_WRITE_CACHE=1|ID_ATA_WRITE_CACHE_ENABLED=1|ID_MODEL=EXAMPLE_SSD|ID_SERIAL_SHORT=B2|SCSI_IDENT_SERIAL=B2-IDENT|ID_REVISION=2.1 "a"|ID_FS_TYPE=linux_raid_member|ID_FS_USAGE=raid|ID_FS_UUID=5a0f-11|ID_FS_VERSION=1.2`,
	},
	{major: 8, minor: 32, name: "sdc", path: "pci0000:00/0000:00:1d.0/host2/rport-2:0-0/target2:0:0/2:0:0:0/block/sdc", sectors: 209715200, columns: 17, udev: "DEVTYPE=disk|ID_SERIAL=3600601"},
	{major: 8, minor: 48, name: "sdd", path: "pci0000:00/0000:00:1d.0/host3/rport-3:0-0/target3:0:0/3:0:0:0/block/sdd", sectors: 209715200, columns: 17, udev: "DEVTYPE=disk|ID_SERIAL=3600601"},
	{major: 8, minor: 64, name: "sde", path: "pci0000:00/0000:00:17.0/ata3/host4/target4:0:0/4:0:0:0/block/sde", sectors: 1953525168, rotational: true, columns: 17},
	{major: 9, name: "md0", path: "virtual/block/md0", sectors: 3906764800, columns: 15, udev: "DEVTYPE=disk|ID_FS_TYPE=ext4|ID_FS_USAGE=filesystem|ID_FS_UUID=c07|ID_FS_VERSION=1.0"},
	{major: 9, minor: 1, name: "md1", path: "virtual/block/md1", sectors: 1046528, columns: 15},
	{major: 9, minor: 2, name: "md2", path: "virtual/block/md2", sectors: 628318530, columns: 15},
	{major: 11, name: "sr0", path: "pci0000:00/0000:00:17.0/ata4/host5/target5:0:0/5:0:0:0/block/sr0", sectors: 2097151, rotational: true, columns: 11, udev: "ID_MODEL=DVD|ID_ATA=1|ID_ATA_WRITE_CACHE=unknown"},
	{
		major: 253, name: "dm-0", path: "virtual/block/dm-0", sectors: 209715200, columns: 17,
		udev: "DM_NAME=mpatha|DM_UUID=mpath-3600601|ID_FS_TYPE=xfs|ID_FS_USAGE=filesystem|ID_FS_UUID=9e1",
	},
	{
		major: 253, minor: 1, name: "dm-1", path: "virtual/block/dm-1", sectors: 83886080, columns: 17,
		udev: "DM_NAME=vg0-root|DM_UUID=LVM-x1|DM_VG_NAME=vg0|DM_LV_NAME=root|DM_LV_LAYER=|ID_FS_TYPE=ext4|ID_FS_USAGE=filesystem|ID_FS_UUID=7b2|ID_FS_VERSION=1.0",
	},
	{major: 253, minor: 2, name: "dm-2", path: "virtual/block/dm-2", sectors: 10485760, columns: 17, udev: "DM_NAME=swap|DM_UUID=CRYPT-PLAIN-swap"},
	{major: 254, name: "cciss/c0d0", path: "pci0000:00/0000:00:02.0/cciss0/block/cciss!c0d0", sectors: 71132960, columns: 11},
	{
		major: 259, name: "nvme0n1", path: nvmePath + "/nvme0/nvme0n1", sectors: 1953525168, columns: 17,
		udev: "DEVTYPE=disk|ID_MODEL=Example NVMe 1TB|ID_SERIAL=Example_NVMe_1TB_S680_1|ID_SERIAL_SHORT=S680|ID_WWN=eui.6479a7|ID_REVISION=1.0|ID_PATH=pci-0000:01:00.0-nvme-1",
	},
	{major: 259, minor: 1, name: "nvme0n1p1", sectors: 1951424512, columns: 17, udev: "DEVTYPE=partition"},
}

// disks writes /proc/diskstats, sys/block and udev's data for the machine's own disks and for SCSI disks up to n in all.
func disks(t *tree, n int) {
	all := append([]disk(nil), ownDisks...)
	whole := 0
	for _, d := range all {
		if d.path != "" {
			whole++
		}
	}
	for i := range max(0, n-whole) {
		name := "sd" + letters(i+5) // a to e are the machine's own
		all = append(all, disk{
			major: 65 + i/16, minor: i % 16 * 16, name: name,
			path:    fmt.Sprintf("pci0000:40/0000:40:01.0/host10/target10:0:%d/10:0:%d:0/block/%s", i, i, name),
			sectors: 3907029168, rotational: i%2 == 0, columns: 17,
			udev: fmt.Sprintf("DEVTYPE=disk|ID_MODEL=EXAMPLE_JBOD|ID_REVISION=0B01|ID_SERIAL=EXAMPLE_JBOD_%04d|ID_SERIAL_SHORT=%04d|ID_WWN=0x5000c500%04x|ID_FS_TYPE=xfs|ID_FS_USAGE=filesystem|ID_FS_UUID=0f%04x", i, i, i, i),
		}, disk{major: 65 + i/16, minor: i%16*16 + 1, name: name + "1", sectors: 3907027120, columns: 17})
	}
	var b strings.Builder
	parent := ""
	for i, d := range all {
		fmt.Fprintf(&b, "%4d %7d %s %s\n", d.major, d.minor, d.name, join("%d", " ", d.columns, func(column int) int { return spread(i + column) }))
		if d.udev != "" {
			t.file(fmt.Sprintf("udev/b%d:%d", d.major, d.minor),
				"S:disk/by-path/x\nI:1234567\nE:"+strings.ReplaceAll(d.udev, "|", "\nE:")+"\nG:systemd\n")
		}
		dir := parent + "/" + d.name
		if d.path != "" {
			parent = "sys/devices/" + d.path
			dir = parent
			t.folder(dir)
			t.link("sys/block/"+strings.ReplaceAll(d.name, "/", "!"), dir)
			t.attrs(dir, fmt.Sprintf(`
				queue/rotational %d
				queue/logical_block_size 512
				queue/nr_requests 256
				queue/scheduler none
				removable 0
			`, bit(d.rotational)))
			if bus, ok := strings.CutSuffix(dir, "/block/"+strings.ReplaceAll(d.name, "/", "!")); ok && !strings.Contains(bus, "virtual") {
				t.link(dir+"/device", bus)
			}
		}
		t.attrs(dir, fmt.Sprintf("dev %d:%d\nsize %d\nro 0", d.major, d.minor, d.sectors))
	}
	t.file("proc/diskstats", b.String())
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// letters names the disk i as the kernel does: a to z, then aa.
func letters(i int) string {
	name := ""
	for ; i >= 0; i = i/26 - 1 {
		name = string(rune('a'+i%26)) + name
	}
	return name
}
