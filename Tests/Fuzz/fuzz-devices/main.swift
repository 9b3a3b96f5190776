import DeviceFuzzing
import FuzzDriver

FuzzDriver.run(MachineFuzzing.run)
