func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
