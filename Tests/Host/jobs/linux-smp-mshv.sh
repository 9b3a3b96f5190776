# Linux guests with two processors, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-smp.sh
