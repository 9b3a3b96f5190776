# The server and workers killed, on the port to /dev/mshv over our emulator of it.
hypervisor=mshv
. /jobs/server-crash.sh
