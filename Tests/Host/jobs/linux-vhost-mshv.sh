# As linux-vhost, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-vhost.sh
