# As linux-vhost-vsock, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/linux-vhost-vsock.sh
