import Glibc

// One process for each running VM: it owns the partition, the guest's memory, the processors' threads and the devices.
// It is started by hvrootd and outlives it.
_exit(Worker.main(CommandLine.arguments))
