import COpenSSL
import ManagementService
import PartitionManager

/// The server's side of RFC 6455, section 4.2.
enum WebSocketHandshake {
    /// Checks a request that asks for an upgrade.
    ///
    /// - Returns: the value of `Sec-WebSocket-Accept`.
    static func accept(_ request: Request) throws -> String {
        guard request.method == "GET", request.headers.words("connection").contains("upgrade") else {
            throw Problem(
                .malformedRequest, "A WebSocket is asked for with GET and 'Connection: Upgrade'.", field: "Connection",
                expected: "Upgrade")
        }
        guard request.headers["sec-websocket-version"].map(trimmed) == "13" else {
            var problem = Problem(
                .upgradeRequired, "Only version 13 of the WebSocket protocol is spoken here.",
                field: "Sec-WebSocket-Version", expected: "13")
            problem.headers = [("Sec-WebSocket-Version", "13")]
            throw problem
        }
        guard let key = request.headers["sec-websocket-key"].map(trimmed), isKey(key) else {
            throw Problem(
                .malformedRequest, "'Sec-WebSocket-Key' must be 16 bytes in Base64.", field: "Sec-WebSocket-Key",
                expected: "16 bytes in Base64")
        }
        guard let accept = acceptance(of: key) else {
            throw Problem(ProblemType(.internal), "The WebSocket key could not be hashed.")
        }
        return accept
    }

    /// Base64 of the SHA-1 of the key and the protocol's own GUID.
    static func acceptance(of key: String) -> String? {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard EVP_Digest(text, text.count, &digest, &length, EVP_sha1(), nil) == 1 else { return nil }
        // Four characters for each three bytes begun, and a NUL.
        var encoded = [UInt8](repeating: 0, count: (Int(length) + 2) / 3 * 4 + 1)
        let count = EVP_EncodeBlock(&encoded, digest, Int32(length))
        return count > 0 ? String(decoding: encoded.prefix(Int(count)), as: UTF8.self) : nil
    }

    private static func isKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        guard bytes.count == 24, bytes.suffix(2) == [0x3D, 0x3D] else { return false }
        return bytes.dropLast(2).allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2F: true
            default: false
            }
        }
    }
}
