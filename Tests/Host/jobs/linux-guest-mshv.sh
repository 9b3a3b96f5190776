# A stock Linux kernel as a guest, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-guest.sh
