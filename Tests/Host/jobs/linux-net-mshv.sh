# Linux guests on a bridge of the host, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-net.sh
