# A Linux guest with disks, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-memory.sh
