import HypercallABI

/// How the client's methods make their calls out of bytes.
extension HypercallClient {
    /// Makes a simple call and parses its output.
    ///
    /// - Parameter variableHeader: stands behind the input, for calls that have one.
    func simple<Input: HypercallStructure, Output>(
        _ code: CallCode, _ input: Input, variableHeader: [UInt64] = [],
        parse: (ByteReader) throws(HypercallStatus) -> Output
    ) throws(HypercallFailure) -> Output {
        guard let form = CallCatalogue.definition(of: code)?.form else {
            throw HypercallFailure(code: code, status: .invalidHypercallCode)
        }
        return try withBuffers { inputPage, outputPage throws(HypercallStatus) -> Output in
            let writer = ByteWriter(inputPage)
            try input.encode(into: writer)
            for (index, word) in variableHeader.enumerated() {
                try writer.write(word, at: form.inputSize + 8 * index)
            }
            let inputSize = form.inputSize + 8 * variableHeader.count
            let output = UnsafeMutableRawBufferPointer(rebasing: outputPage[..<form.outputSize])
            let result = port.execute(
                ControlWord(code, fast: form.isFast, variableHeaderSize: variableHeader.count),
                input: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(inputPage)[..<inputSize]),
                output: output)
            guard result.status == .success else { throw result.status }
            return try parse(ByteReader(UnsafeRawBufferPointer(output)))
        } failure: { status in
            HypercallFailure(code: code, status: status)
        }
    }

    /// Makes as many repeat calls as `count` repetitions need.
    ///
    /// - Parameters:
    ///   - header: the input's head for a batch that begins with the given repetition.
    ///   - element: writes the list's element for a repetition.
    ///   - output: is given each completed repetition's output, in order, also before a failure is thrown.
    func repeated<Header: HypercallStructure>(
        _ code: CallCode, count: Int, header: (Int) -> Header,
        element: (Int, ByteWriter) throws(HypercallStatus) -> Void = { _, _ in },
        output consume: (ByteReader) throws(HypercallStatus) -> Void = { _ in }
    ) throws(HypercallFailure) {
        guard let form = CallCatalogue.definition(of: code)?.form, let repetition = form.repetition else {
            throw HypercallFailure(code: code, status: .invalidHypercallCode)
        }
        var done = 0
        try withBuffers { inputPage, outputPage throws(HypercallStatus) in
            while done < count {
                let batch = min(count - done, repetition.batch)
                let writer = ByteWriter(inputPage)
                try header(done).encode(into: writer)
                for index in 0..<batch where repetition.inputSize > 0 {
                    try element(done + index, writer.from(form.inputSize + repetition.inputSize * index))
                }
                let input = UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(inputPage)[..<(form.inputSize + repetition.inputSize * batch)])
                let output = UnsafeMutableRawBufferPointer(
                    rebasing: outputPage[..<(repetition.outputSize * batch)])
                var start = 0
                while start < batch {
                    let result = port.execute(
                        ControlWord(code, repCount: batch, repStart: start), input: input, output: output)
                    // A port that counts more than was asked for, or backwards, is not believed.
                    let completed = min(max(result.repsCompleted, start), batch)
                    if repetition.outputSize > 0 {
                        for index in start..<completed {
                            let bytes = ByteReader(UnsafeRawBufferPointer(output))
                            try consume(bytes.from(repetition.outputSize * index))
                        }
                    }
                    done += completed - start
                    guard result.status == .success else { throw result.status }
                    // Success without progress would never end.
                    guard completed > start else { throw HypercallStatus.timeOut }
                    start = completed
                }
            }
        } failure: { status in
            HypercallFailure(code: code, status: status, repsCompleted: done)
        }
    }

    /// Lends a page for the input and one for the output.
    private func withBuffers<Output>(
        _ body: (UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer) throws(HypercallStatus) -> Output,
        failure: (HypercallStatus) -> HypercallFailure
    ) throws(HypercallFailure) -> Output {
        // Sound: both halves are used only within the closure. A `Result` carries the typed error through it.
        let result = withUnsafeTemporaryAllocation(byteCount: 2 * CallForm.pageSize, alignment: 8) {
            pages -> Result<Output, HypercallStatus> in
            pages.initializeMemory(as: UInt8.self, repeating: 0)
            let input = UnsafeMutableRawBufferPointer(rebasing: pages[..<CallForm.pageSize])
            let output = UnsafeMutableRawBufferPointer(rebasing: pages[CallForm.pageSize...])
            do throws(HypercallStatus) {
                return .success(try body(input, output))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let output): return output
        case .failure(let status): throw failure(status)
        }
    }
}
