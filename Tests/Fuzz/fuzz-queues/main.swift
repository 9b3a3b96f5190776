import DeviceFuzzing
import FuzzDriver

FuzzDriver.run(QueueFuzzing.run)
