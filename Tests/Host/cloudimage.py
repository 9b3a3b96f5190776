"""A cloud image of Debian with systemd and cloud-init, made from Debian's packages: a partition in a qcow2 image, and that in an
ext4 file system that the test host mounts. Needs root (for mmdebstrap) and takes minutes: it is kept in the cache.
"""
import os
import subprocess
import sys
import tempfile

PACKAGES = (
    "systemd-sysv", "udev", "dbus", "cloud-init", "cloud-guest-utils", "fdisk", "e2fsprogs", "iproute2", "ifupdown",
    "isc-dhcp-client", "kmod", "openssh-server", "netbase",
)
SUITE = "bookworm"
MIB = 1 << 20
PARTITION_START = MIB
IMAGE_SIZE = 640 * MIB


def image(cache):
    """The file system with `debian.qcow2`; made where the cache has none."""
    path = os.path.join(cache, f"cloud-{SUITE}.img")
    if not os.path.exists(path):
        if os.geteuid() != 0:
            sys.exit("testhost: the cloud image is made with mmdebstrap, as root")
        with tempfile.TemporaryDirectory(prefix="testhost-cloud-") as folder:
            _make(folder, path + ".new")
        os.rename(path + ".new", path)
    return path


def _make(folder, path):
    def run(*command, **options):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)

    root, partition, disk = (os.path.join(folder, name) for name in ("root", "partition", "disk"))
    shared = os.path.join(folder, "shared")
    os.makedirs(shared)
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include=" + ",".join(PACKAGES), SUITE, root)
    # The kernel is given to the VM beside the image, and has loaded what it needs before it comes to this root.
    with open(os.path.join(root, "etc", "fstab"), "w") as table:
        table.write("/dev/vda1 / ext4 defaults 0 1\n")
    size = IMAGE_SIZE - PARTITION_START - MIB
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, partition, f"{size >> 10}k")
    with open(disk, "wb") as whole:
        whole.truncate(IMAGE_SIZE)
    table = f"label: gpt\nstart={PARTITION_START // 512}, size={size // 512}, type=L\n"
    run("/sbin/sfdisk", "--quiet", disk, input=table.encode())
    run("dd", f"if={partition}", f"of={disk}", "bs=1M", f"seek={PARTITION_START // MIB}", "conv=notrunc", "status=none")
    run("qemu-img", "convert", "-q", "-c", "-O", "qcow2", disk, os.path.join(shared, "debian.qcow2"))
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-d", shared, path, f"{IMAGE_SIZE // 2 >> 10}k")
