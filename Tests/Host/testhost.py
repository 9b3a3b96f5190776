#!/usr/bin/env python3
"""Boots the test host, runs a job in it, and exits with the job's status (124 when it took too long).

The test host is Debian's cloud kernel in QEMU's software emulation, which emulates AMD's virtualization: /dev/kvm in it
is complete, whatever this machine can do. The job is a shell script that runs there as root (busybox; `mp MODULE...`
loads kernel modules). No root and no network is needed here, but for fetching the kernel's package once.
"""
import argparse
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

import diskimage
import initramfs
from kernel import Kernel

HOST_MODULES = [
    "kvm_amd", "tun", "macvtap", "bridge", "veth", "nf_tables", "nft_chain_nat", "nft_masq", "nft_ct", "nf_conntrack", "nft_limit",
    "nft_meta_bridge", "vhost_net", "vhost_vsock", "sch_ingress", "cls_bpf", "act_gact", "virtio_pci", "virtio_blk",
]
GUEST_MODULES = [
    "virtio_pci", "virtio_rng", "virtio_blk", "virtio_net", "ext4", "crc32c_generic", "pvpanic_pci", "virtio_mem",
    "isofs", "button", "evdev", "virtio_balloon", "virtio_console", "vmw_vsock_virtio_transport", "wdat_wdt",
]
# What the machine prints before it runs the job; how long that may take (it takes 4 s), and how often it is tried.
BOOTED = b"TESTHOST-BOOTED"
BOOT_LIMIT = 60
BOOTS = 4
# Afterwards it says every 10 s that it is alive. Seconds of silence after which it is not, whatever the job does: even
# its own timers no longer come.
SILENCE_LIMIT = 120
# The status of a job whose machine ended under it.
MACHINE_DIED = 125


class TestHost:
    """What can be booted; `guest` puts /guest/{vmlinux,bzImage,initrd,root.img,data.img} into the test host."""

    def __init__(self, cache, guest=False, modules=()):
        os.makedirs(cache, exist_ok=True)
        self.cache = cache
        self.kernel = Kernel(cache)
        self.modules = HOST_MODULES + list(modules)
        self.guest = guest

    def run(self, job, programs=(), files=(), timeout=120, processors=2, memory=2048, output=sys.stdout.buffer,
            guest_programs=(), disk=None):
        """Runs the job; its exit status. All that the machine prints goes to `output` (a binary stream) as it comes.
        The guests in it get `guest_programs`; `disk` is a raw image, its /dev/vda, which is not written."""
        with tempfile.TemporaryDirectory(prefix="testhost-") as folder:
            contents = [*files, (job, "/job", 0o755)]
            if self.guest:
                initrd = os.path.join(folder, "guest.cpio")
                initramfs.write(initrd, self.kernel, initramfs.GUEST_INIT, GUEST_MODULES, programs=guest_programs)
                root, data = os.path.join(folder, "root.img"), os.path.join(folder, "data.img")
                diskimage.write_root(root)
                diskimage.write_data(data)
                contents += [
                    (root, "/guest/root.img", 0o644),
                    (data, "/guest/data.img", 0o644),
                    (self.kernel.elf, "/guest/vmlinux", 0o644),
                    (self.kernel.bzimage, "/guest/bzImage", 0o644),
                    (initrd, "/guest/initrd", 0o644),
                ]
            image = os.path.join(folder, "host.cpio")
            initramfs.write(image, self.kernel, initramfs.HOST_INIT, self.modules, contents, programs)
            # q35 for its HPET: on a busy machine the kernel cannot calibrate its clock against the PIT, and where that
            # is all there is (microvm) it then hangs before its first line.
            # fmt: off
            command = [
                "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35",
                "-smp", str(processors), "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none",
                "-serial", "stdio", "-no-reboot", "-kernel", self.kernel.elf, "-initrd", image,
                "-append", "console=ttyS0 panic=-1 quiet",
            ]
            # fmt: on
            if disk:
                command += ["-drive", f"if=virtio,format=raw,readonly=on,file={disk}"]
            # On a busy machine the outer kernel now and then hangs while it calibrates its clocks, before its first
            # line. That says nothing about the job, which has not begun: such a boot is given up and made again.
            for _ in range(BOOTS - 1):
                status = _run(command, timeout, output, boot_limit=BOOT_LIMIT)
                if status is not None:
                    return status
            return _run(command, timeout, output)


def _run(command, timeout, output, boot_limit=None):
    """The job's exit status, 124 after `timeout` seconds, MACHINE_DIED; None when the machine has not booted after `boot_limit`."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    deadline = time.monotonic() + timeout
    boot_deadline = time.monotonic() + boot_limit if boot_limit else None
    silence_deadline = deadline
    tail, status = b"", MACHINE_DIED
    try:
        while True:
            left = min(deadline, silence_deadline, boot_deadline or deadline) - time.monotonic()
            if boot_deadline and left <= 0:
                output.write(b"testhost: not booted after %d s, trying again\n" % boot_limit)
                return None
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                if boot_deadline:
                    continue
                if silence_deadline < deadline:
                    output.write(b"testhost: the machine has said nothing for %d s\n" % SILENCE_LIMIT)
                    return MACHINE_DIED
                output.write(b"testhost: not done after %d s\n" % round(timeout))
                return 124
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                if status == MACHINE_DIED:
                    output.write(b"testhost: QEMU ended before the job did, with status %d\n" % process.wait())
                return status
            output.write(data)
            output.flush()
            tail = (tail + data)[-4096:]
            if BOOTED in tail:
                boot_deadline = None
            if not boot_deadline:
                silence_deadline = min(deadline, time.monotonic() + SILENCE_LIMIT)
            found = re.search(rb"TESTHOST-EXIT (\d+)", tail)
            if found:
                status = int(found.group(1))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def parse_program(argument):
    source, destination = argument.split(":")
    return source, destination


def parse_file(argument):
    source, destination, *mode = argument.split(":")
    return source, destination, int(mode[0], 8) if mode else 0o644


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=os.path.join(root, ".cache", "testhost"))
    parser.add_argument("--guest", action="store_true", help="put /guest/{vmlinux,bzImage,initrd} into the test host")
    parser.add_argument("--processors", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2048, help="MiB")
    parser.add_argument("--timeout", type=int, default=120, help="seconds")
    parser.add_argument("--program", action="append", default=[], metavar="SOURCE:DESTINATION", type=parse_program,
                        help="a program, copied with its libraries")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE:DESTINATION[:MODE]", type=parse_file)
    parser.add_argument("--module", action="append", default=[], help="a further kernel module to have at hand")
    parser.add_argument("job")
    options = parser.parse_args()
    host = TestHost(options.cache, options.guest, options.module)
    sys.exit(host.run(options.job, options.program, options.file, options.timeout, options.processors, options.memory))


if __name__ == "__main__":
    main()
