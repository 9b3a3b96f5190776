"""Debian's cloud kernel, unpacked in the cache: what the test host and the guests in it boot."""
import fcntl
import glob
import os
import re
import subprocess
import sys
import tempfile

# A compressed kernel's payload begins with one of these; the command unpacks it.
COMPRESSIONS = (
    (b"\xfd7zXZ\0", ["xz", "-dc"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dc"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-dc"]),
    (b"\x1f\x8b\x08", ["gzip", "-dc"]),
)


class Kernel:
    """`bzimage` and `elf` are files, `modules` names the folder of the kernel's modules."""

    def __init__(self, cache):
        root = os.path.join(cache, "kernel")
        os.makedirs(root, exist_ok=True)
        with open(os.path.join(cache, "kernel.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several runs may share a cache
            if not glob.glob(root + "/boot/vmlinuz-*"):
                _download(root)
            self.bzimage = glob.glob(root + "/boot/vmlinuz-*")[0]
            self.elf = os.path.join(root, "vmlinux")
            if not os.path.exists(self.elf):
                _extract_elf(self.bzimage, self.elf)
        self.modules = os.path.join(root, "lib", "modules")


class Modules:
    """The kernel's loadable modules and what each depends on."""

    def __init__(self, folder):
        self.path = {}
        for directory, _, files in os.walk(folder):
            for name in files:
                if name.endswith(".ko"):
                    self.path[name[:-3].replace("-", "_")] = os.path.join(directory, name)
        self.builtin = set()
        for path in glob.glob(folder + "/*/modules.builtin"):
            with open(path) as listing:
                self.builtin |= {os.path.basename(line)[:-3].replace("-", "_") for line in listing.read().split()}

    def loading_order(self, name, order):
        """Appends `name` and all it depends on to `order`, dependencies first."""
        name = name.replace("-", "_")
        if name in order or name in self.builtin:
            return
        if name not in self.path:
            sys.exit(f"testhost: the kernel has no module {name}")
        with open(self.path[name], "rb") as module:
            found = re.search(rb"\0depends=([^\0]*)\0", module.read())
        for dependency in found.group(1).decode().split(",") if found else []:
            if dependency:
                self.loading_order(dependency, order)
        order.append(name)


def _download(root):
    def package_name():
        meta = subprocess.run(
            ["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=False
        ).stdout
        return re.search(r"Depends: (linux-image-\S+-cloud-amd64)", meta)

    name = package_name()
    if not name:
        subprocess.run(["apt-get", "-q", "update"], stdout=subprocess.DEVNULL, check=False)
        name = package_name()
    if not name:
        sys.exit("testhost: Debian's package linux-image-cloud-amd64 is not known here; run apt-get update")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # apt downloads as a user of its own
        subprocess.run(
            ["apt-get", "-q", "download", name.group(1)], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        subprocess.run(["dpkg", "-x", glob.glob(folder + "/*.deb")[0], root], check=True)


def _extract_elf(bzimage, elf):
    with open(bzimage, "rb") as image:
        blob = image.read()
    for magic, command in COMPRESSIONS:
        at = blob.find(magic)
        while at >= 0:
            # The payload is followed by other bytes, so the tool's exit status says nothing.
            unpacked = subprocess.run(
                command, input=blob[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
            ).stdout
            if unpacked[:4] == b"\x7fELF":
                with open(elf + ".full", "wb") as full:
                    full.write(unpacked)
                subprocess.run(["strip", "-o", elf + ".stripped", elf + ".full"], check=True)
                os.unlink(elf + ".full")
                os.rename(elf + ".stripped", elf)
                return
            at = blob.find(magic, at + 1)
    sys.exit(f"testhost: no ELF image found in {bzimage}")
