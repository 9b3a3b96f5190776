"""The initial file systems of the test host and of the guests in it: busybox, kernel modules, programs, an init."""
import os
import re
import subprocess

from kernel import Modules

FOLDERS = "proc sys dev tmp run bin sbin etc mnt root usr/bin lib/mods".split()

PROLOGUE = b"""#!/bin/sh
export PATH=/bin:/sbin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run; mount -t tmpfs shm /dev/shm
ip link set lo up
"""

# The test host runs its job and says with which status it ended. Meanwhile it says that it is alive.
HOST_INIT = PROLOGUE + b"""mp kvm_amd
echo TESTHOST-BOOTED
(while sleep 10; do echo TESTHOST-ALIVE; done) &
sh /job; echo "TESTHOST-EXIT $?"
poweroff -f
"""

# A guest says that its userspace is there and gives a shell on its serial console; with root=DEVICE on the command line
# it goes on from the ext4 file system there instead.
GUEST_INIT = PROLOGUE + b"""root=$(tr ' ' '\\n' </proc/cmdline | sed -n 's/^root=//p')
if [ -n "$root" ]; then
    mp virtio_pci virtio_blk virtio_net virtio_rng button evdev crc32c_generic ext4 isofs
    while [ ! -b $root ]; do usleep 100000; done
    mount -t ext4 -o ro $root /mnt && exec switch_root /mnt /sbin/init
fi
echo "GUEST-USERSPACE-OK $(uname -r) cpus=$(grep -c ^processor /proc/cpuinfo)"
setsid cttyhack sh
poweroff -f
"""

# mp MODULE...: loads modules with what they depend on.
MP = b"""#!/bin/sh
for m; do
    m=$(echo $m | tr - _)
    for d in $(cat /lib/mods/$m.deps); do [ -d /sys/module/$d ] || insmod /lib/mods/$d.ko; done
done
"""


class Archive:
    """A cpio archive in the newc format; folders are made as needed."""

    def __init__(self, stream):
        self.stream = stream
        self.inode = 1
        self.seen = set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        name = name.lstrip("/")
        if name in self.seen:
            return
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, 0o40755)
        self.seen.add(name)
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        self.inode += 1
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        for part in (header + encoded, data):
            self.stream.write(part + b"\0" * (-len(part) % 4))

    def file(self, destination, source, mode=0o644):
        with open(source, "rb") as data:
            self.add(destination, 0o100000 | mode, data.read())

    def program(self, source, destination):
        """A program with the libraries it is linked with."""
        self.file(destination, source, 0o755)
        listing = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listing):
            self.file(library, library, 0o755)

    def end(self):
        self.add("TRAILER!!!", 0)


def write(path, kernel, init, modules, files=(), programs=()):
    """`files` are (source, destination, mode), `programs` (source, destination)."""
    available = Modules(kernel.modules)
    loaded = []
    for module in modules:
        available.loading_order(module, loaded)
    with open(path, "wb") as stream:
        archive = Archive(stream)
        for folder in FOLDERS:
            archive.add(folder, 0o40755)
        archive.add("dev/console", 0o20600, device=(5, 1))
        archive.add("dev/null", 0o20666, device=(1, 3))
        archive.file("bin/busybox", "/bin/busybox", 0o755)
        applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
        for applet in applets.split():
            if applet != "busybox":
                archive.add("bin/" + applet, 0o120777, b"busybox")
        for module in loaded:
            chain = []
            available.loading_order(module, chain)
            archive.file(f"lib/mods/{module}.ko", available.path[module])
            archive.add(f"lib/mods/{module}.deps", 0o100644, ("\n".join(chain) + "\n").encode())
        archive.add("bin/mp", 0o100755, MP)
        archive.add("etc/passwd", 0o100644, b"root:x:0:0:root:/root:/bin/sh\n")
        archive.add("etc/group", 0o100644, b"root:x:0:\n")
        for source, destination in programs:
            archive.program(source, destination)
        for source, destination, mode in files:
            archive.file(destination, source, mode)
        archive.add("init", 0o100755, init)
        archive.end()
