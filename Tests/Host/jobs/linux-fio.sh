# fio writes a guest's disks in several ways and verifies what it reads back.
. /lib.sh

# fio NAME DEVICE ARGUMENT...: it ends with 0, and verified what it wrote.
fio() {
    name=$1 device=$2
    shift 2
    answers "^fio-$name-0 " "fio --name=$name --filename=$device --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 \
--group_reporting --eta=never --output=/tmp/$name.log $*; echo fio-$name-\$? \$(grep -c 'err= 0' /tmp/$name.log)" 400 && return 0
    send linux "tail -n 20 /tmp/$name.log"
    sleep 5
    pull_console linux
    since_mark linux | tail -n 25
    return 1
}
corrupt() { # the image under a disk changes: fio has to see it
    printf 'changed' | dd of=/run/raw.img bs=1 seek=1048576 conv=notrunc 2>/dev/null
    answers '^fio-read-[1-9]' "fio --name=read --filename=/dev/vda --direct=1 --verify=crc32c --rw=write --bs=64k --size=8M \
--verify_only --eta=never --output=/tmp/read.log; echo fio-read-\$?" 200
}

truncate -s 64M /run/raw.img
qemu-img create -q -f qcow2 /run/image.qcow2 64M
check "hvrootd starts on the test host" start_server || exit 0
check "a VM with a raw disk, a qcow2 disk and one with fio" api POST /v1/vms '{"id":"linux","vps":{"count":2},
    "memory":{"size":"512MiB"},"boot":{"kernel":"/guest/vmlinux","initrd":"/guest/initrd",
    "commandLine":"console=ttyS0 quiet panic=-1"},"disks":[{"id":"raw","path":"/run/raw.img"},
    {"id":"qcow2","path":"/run/image.qcow2","format":"qcow2"},{"id":"tools","path":"/guest/tools.img","readOnly":true}]}'
check "it starts" verb linux start
check "it boots" wait_console linux GUEST-USERSPACE-OK
answers '^fio-3' 'mp virtio_pci virtio_blk crc32c_generic ext4; mount -t ext4 -o ro /dev/vdc /mnt
for d in lib lib64; do [ -e /$d ] || mkdir /$d; cp -rs /mnt/$d/. /$d/; done; ln -s /mnt/usr/lib /usr/lib; ln -s /mnt/usr/bin/fio /bin/fio; fio --version' \
    300 >/dev/null
check "fio is there" answers '^fio-3' 'fio --version'
check "random writes of 4 to 64 KiB, sixteen at a time, by two jobs" fio mixed /dev/vda --rw=randwrite \
    --bsrange=4k-64k --ioengine=libaio --iodepth=16 --numjobs=2 --size=16M --offset_increment=32M
check "random reads and writes by io_uring" fio uring /dev/vda --rw=randrw --bs=4k --ioengine=io_uring --iodepth=8 \
    --size=8M
check "sequential writes with flushes" fio flush /dev/vda --rw=write --bs=128k --ioengine=psync --fsync=8 --size=16M
check "random writes on qcow2" fio qcow2 /dev/vdb --rw=randwrite --bs=16k --ioengine=libaio --iodepth=8 --size=8M
# Not trims among verified writes: fio 3.33 ends with a failed assertion of its own then.
check "trims" answers '^fio-trim-0' \
    'fio --name=trim --filename=/dev/vda --direct=1 --rw=randtrim --bs=64k --size=8M --eta=never --output=/tmp/trim.log; echo fio-trim-$?'
check "writes where was trimmed" fio again /dev/vda --rw=randwrite --bs=64k --ioengine=libaio --iodepth=4 --size=8M
kill -9 $server_pid
check "the server is killed; another one takes over" start_server
check "writes after that" fio after /dev/vda --rw=write --bs=64k --ioengine=libaio --iodepth=4 --size=8M
check "a byte that changes behind the guest is found" corrupt
verb linux stop >/dev/null
check "it stops" wait_state linux stopped
