# A Linux guest whose disks come and go, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-hotplug.sh
