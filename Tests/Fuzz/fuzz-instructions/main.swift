import FuzzDriver
import InstructionFuzzing

FuzzDriver.run(InstructionFuzzing.run)
