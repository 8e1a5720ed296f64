package hosttest

import (
	"fmt"
	"strings"
)

// ownMounts are lines of /proc/1/mountinfo.
const ownMounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k,nr_inodes=3083615,mode=755
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
27 1 253:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg0-root rw,errors=remount-ro
28 27 9:1 / /boot ro,relatime shared:2 - ext4 /dev/md1 rw
29 28 8:1 / /boot/efi rw,relatime shared:3 - vfat /dev/sda1 rw,fmask=0077
30 27 253:0 / /srv/my\040data rw,noatime shared:4 master:7 - xfs /dev/mapper/mpatha rw,attr2
31 27 0:25 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=2466892k,mode=755
32 31 0:26 / /run/lock rw,nosuid,nodev - tmpfs tmpfs rw
33 27 9:0 / /var/lib/postgresql rw,relatime shared:6 - ext4 /dev/md0 ro
34 27 0:40 / /mnt/gone rw,relatime shared:8 - nfs4 server:/export\040two rw,vers=4.2
35 27 0:41 / /var/lib/docker/overlay2/1/merged rw,relatime - overlay overlay rw
36 27 253:1 /opt /opt rw,relatime shared:1 - ext4 /dev/mapper/vg0-root rw
37 27 0:42 / /run/credentials/x rw - ramfs none rw
38 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
39 27 259:1 / /data rw,relatime shared:9 - ext4 /dev/nvme0n1p1 rw
40 27 259:1 / /data rw,noatime shared:9 - ext4 /dev/nvme0n1p1 rw
`

// mounts writes the mount table, and the folders that the mount points are, except /mnt/gone: three of four further
// ones are small memory file systems of containers, the fourth is a root of one.
func mounts(t *tree, n int) {
	var b strings.Builder
	b.WriteString(ownMounts)
	for i := strings.Count(ownMounts, "\n"); i < n; i++ {
		if i%4 == 3 {
			fmt.Fprintf(&b, "%d 31 0:%d / /run/containerd/io.containerd.runtime.v2.task/k8s.io/%064x/rootfs rw,relatime shared:%d - overlay overlay rw,lowerdir=/l/%d\n",
				100+i, 100+i, i*7_368_787, 100+i, i)
			continue
		}
		fmt.Fprintf(&b, "%d 27 0:%d / /var/lib/kubelet/pods/%08x-5a1c-4c1e-9e7d-%012x/volumes/kubernetes.io~projected/kube-api-access-%05x rw,relatime shared:%d - tmpfs tmpfs rw,size=%dk\n",
			100+i, 100+i, i*40_503, i*7_368_787, i, 100+i, 65536*(i%4+1))
	}
	for line := range strings.Lines(b.String()) {
		fields := strings.Fields(line)
		if point := strings.ReplaceAll(fields[4], `\040`, " "); point != "/mnt/gone" {
			t.folder("root" + point)
		}
	}
	t.file("proc/1/mountinfo", b.String())
	t.file("proc/1/mounts", "/dev/mapper/vg0-root / ext4 rw,relatime 0 0\n")
}

// xfs writes the statistics of one file system, and those of all together, which stand one folder higher.
func xfs(t *tree) {
	const stats = `extent_alloc 92447 97589 92448 93751
abt 123 456 78 90
blk_map 1767055 188820 184891 92447 92448 2140766 7
bmbt 11 12 13 14
dir 185039 92447 92444 136422
trans 706 944304 4
ig 185045 58807 3 126238 5 33637 22
log 2883 113448 9 17360 739
push_ail 945014 0 134260 15483 0 3940 464 159985 0 40
xstrat 92447 0
rw 107739 94045
attr 4 0 0 0
icluster 8677 7849 135802
vnodes 92601 6 7 8 92444 92445 92446 9
buf 2666287 7122 2659202 3599 2 7085 0 10297 7085
abtb2 184941 1277345 13257 13278 0 0 0 0 0 0 0 0 0 0 2746147
abtc2 345295 2416764 172637 172658 0 0 0 0 0 0 0 0 0 0 21406023
bmbt2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
ibt2 343004 1358467 0 0 0 0 0 0 0 0 0 0 0 0 0
fibt2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
rmapbt 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
refcntbt 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
qm 0 0 0 0 0 0 0 0
xpc 399724544 92823103 86219234
defer_relog 0
debug 0
`
	t.file("sys/fs/xfs/dm-0/stats/stats", stats)
	t.file("sys/fs/xfs/stats/stats", stats)
}
