# Usage: enter.sh FOLDER NAME. Moves into a cgroup of its own, then into namespaces of its own, and boots there.
set -eu
hierarchy=/sys/fs/cgroup
[ ! -d "$hierarchy/systemd" ] || hierarchy=$hierarchy/systemd # cgroup v1
mkdir "$hierarchy/$2"
echo 0 >"$hierarchy/$2/cgroup.procs"
exec unshare -C -m -p -u -i -n --fork --mount-proc --kill-child /bin/sh "$1/boot.sh" "$1"
