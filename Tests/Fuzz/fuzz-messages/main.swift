import FuzzDriver
import HypercallFuzzing

FuzzDriver.run(MessageFuzzing.run)
