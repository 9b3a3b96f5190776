import FuzzDriver
import EmulatorFuzzing

FuzzDriver.run(EmulatorFuzzing.run)
