import COpenSSL

/// SHA-256 of what is given piece by piece. For one thread at a time.
package final class SHA256 {
    private let context: OpaquePointer

    /// - Throws: `StorageFailure` where OpenSSL has no memory or no SHA-256.
    package init() throws(StorageFailure) {
        guard let context = EVP_MD_CTX_new() else { throw StorageFailure(.failed, "OpenSSL has no memory") }
        self.context = context
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            throw StorageFailure(.failed, "OpenSSL offers no SHA-256")
        }
    }

    deinit { EVP_MD_CTX_free(context) }

    package func add(_ bytes: [UInt8]) throws(StorageFailure) {
        let result = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        guard result == 1 else { throw StorageFailure(.failed, "OpenSSL's SHA-256 failed") }
    }

    /// The digest in lower-case hexadecimal digits; nothing can be added after it.
    package func finish() throws(StorageFailure) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard EVP_DigestFinal_ex(context, &digest, &count) == 1 else {
            throw StorageFailure(.failed, "OpenSSL's SHA-256 failed")
        }
        return digest.prefix(Int(count)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
