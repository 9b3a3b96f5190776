# What a Linux guest finds on its PCI bus, on the port to /dev/mshv over our emulator of it: its interrupts are irqfds there.
hypervisor=mshv
. /jobs/linux-pci.sh
