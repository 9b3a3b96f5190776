"""Disk images for the guests in the test host: an ext4 root file system with busybox, and a disk of known bytes."""
import os
import re
import shutil
import subprocess
import tempfile

from initramfs import FOLDERS, PROLOGUE

# The root's init says that it is there, from which device, and gives a shell on the serial console.
ROOT_INIT = PROLOGUE + b"""mount -o remount,rw /
echo "GUEST-ROOT-OK $(grep ' / ext4 ' /proc/mounts | cut -d' ' -f1,3) $(uname -r)"
setsid cttyhack sh
poweroff -f
"""
ROOT_SIZE = "48M"
TOOLS_SIZE = "128M"
# Sector n holds the text "sector n" and blanks.
DATA_SECTORS = 2048


def write_root(path):
    """An ext4 file system with busybox and an init, made without root and without mounting anything."""
    with tempfile.TemporaryDirectory(prefix="testhost-root-") as root:
        for folder in FOLDERS:
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        busybox = os.path.join(root, "bin", "busybox")
        with open("/bin/busybox", "rb") as source, open(busybox, "wb") as copy:
            copy.write(source.read())
        os.chmod(busybox, 0o755)
        applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
        for applet in applets.split():
            if applet != "busybox":
                os.symlink("busybox", os.path.join(root, "bin", applet))
        init = os.path.join(root, "sbin", "init")
        with open(init, "wb") as script:
            script.write(ROOT_INIT)
        os.chmod(init, 0o755)
        command = ["/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, path, ROOT_SIZE]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def write_tools(path, programs):
    """An ext4 file system with programs and the libraries they are linked with, each where it is here."""
    with tempfile.TemporaryDirectory(prefix="testhost-tools-") as root:
        files = {os.path.realpath(program): program for program in programs}
        for program in programs:
            listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
            for library in re.findall(r"(/\S+) \(0x", listing):
                files[library] = library
        for source, destination in files.items():
            target = root + destination
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            os.chmod(target, 0o755)
        for folder in ("lib", "lib64", "usr/lib", "usr/bin"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        command = ["/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, path, TOOLS_SIZE]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def write_data(path):
    with open(path, "wb") as image:
        for sector in range(DATA_SECTORS):
            image.write(b"sector %d" % sector + b" " * (512 - len("sector %d" % sector)))
