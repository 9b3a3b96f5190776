import FuzzDriver
import HypercallFuzzing

FuzzDriver.run(HypercallFuzzing.run)
