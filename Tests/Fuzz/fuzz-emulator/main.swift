import EmulatorFuzzing
import FuzzDriver

FuzzDriver.run(EmulatorFuzzing.run)
