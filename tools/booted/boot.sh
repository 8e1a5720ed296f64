# Usage: boot.sh FOLDER. Boots a systemd whose root is a tmpfs: of the host's files it sees /usr, read-only, and
# FOLDER/out. This matters: systemd-tmpfiles and others clean up at boot, and a mount namespace alone shares all files.
set -eu
dir=$1
root=$dir/root
mkdir "$root"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc proc sys dev run tmp var/tmp old
for link in bin sbin lib lib32 lib64 libx32; do
	[ ! -L "/$link" ] || cp -P "/$link" "$link"
done
mount --bind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs tmpfs usr/share/dbus-1/system-services # D-Bus starts no polkit: who is not root is refused
for file in passwd group nsswitch.conf ld.so.cache dbus-1; do
	[ ! -e "/etc/$file" ] || cp -R "/etc/$file" etc/
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
if [ -d /sys/fs/cgroup/systemd ]; then
	mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
	mkdir sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
else
	mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/out run/systemd/system run/lock
cp "$dir"/units/* run/systemd/system/
for unit in sysinit.target polkit.service systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer; do
	ln -s /dev/null "run/systemd/system/$unit"
done
mount --bind "$dir/out" run/out
pivot_root . old
cd /
umount -l /old
rmdir /old

# Go no further if anything of the host could be changed.
for path in /usr /proc/sys /sys; do
	! touch "$path/probe" 2>/dev/null || exit 1
done
[ -z "$(ls -A /tmp)$(ls -A /var/tmp)" ] || exit 1
[ ! -e "$dir" ] || exit 1

exec env -i container=test PATH="$PATH" "${INIT:-/lib/systemd/systemd}" --system --unit=boot.target --show-status=no --log-target=console --log-level=warning
