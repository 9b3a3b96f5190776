/// The server trusts who can reach it; a browser on the same machine can, with any page that it shows. Such requests
/// carry an `Origin`, and only one of the server's own name is let do anything.
enum OriginRule {
    static func check(_ method: String, _ headers: Headers) throws {
        guard let origin = headers["origin"] else { return }
        let isHarmless = (method == "GET" || method == "HEAD") && headers["upgrade"] == nil
        if isHarmless { return }
        let authority = origin.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).last.map(
            String.init)
        guard let authority, let host = headers["host"], authority.lowercased() == host.lowercased() else {
            throw Problem(
                .forbiddenOrigin, "A page of '\(origin)' may not do this.", field: "Origin",
                expected: "no Origin, or the server's own")
        }
    }
}
