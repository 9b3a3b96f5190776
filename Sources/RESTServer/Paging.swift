/// Page sizes and tokens of lists.
enum Paging {
    static let maximumSize: Int64 = 1000

    /// `pageSize`: 1...1000, and 1000 where it is absent.
    static func size(_ query: Query) throws -> Int {
        Int(try query.integer("pageSize", in: 1...maximumSize, said: "1...\(maximumSize)") ?? maximumSize)
    }

    /// The id after which the page begins. Tokens are made of hexadecimal digits so that nobody writes their own.
    static func after(_ query: Query) throws -> String? {
        guard let token = try query.one("pageToken") else { return nil }
        let digits = Array(token.utf8)
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
                let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
            else { throw wrong(token) }
            bytes.append(UInt8(high << 4 | low))
        }
        guard !bytes.isEmpty, digits.count.isMultiple(of: 2), let id = String(validating: bytes, as: UTF8.self) else {
            throw wrong(token)
        }
        return id
    }

    static func token(after id: String) -> String {
        id.utf8.map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }

    private static func wrong(_ token: String) -> Problem {
        Problem(
            .invalidParameter, "The query parameter 'pageToken' has the value '\(token)', which no answer gave.",
            field: "pageToken", expected: "nextPageToken of an earlier answer")
    }
}
