# The devices that a guest has once, on the port to /dev/mshv over our emulator of it. Its memory is pinned there: the
# balloon gives nothing back.
hypervisor=mshv
. /jobs/linux-devices.sh
