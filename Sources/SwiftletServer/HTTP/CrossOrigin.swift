import HTTPTypes

/// Which web pages may call the server from a browser.
struct CrossOrigin: Sendable {
    private let origins: [String]

    /// Without a setting no other origin may; with keys any may, because a page has to know one.
    init(_ settings: ServerSettings) {
        origins = settings.corsOrigins.isEmpty && !settings.keys.isEmpty ? ["*"] : settings.corsOrigins
    }

    /// What answers a browser's question before a request.
    var preflight: Reply { Reply(status: .ok, contentType: "text/plain", body: []) }

    /// Refuses what a page of another origin sends, which browsers send without asking if it looks like a form.
    func check(_ request: ServerRequest) throws(APIError) {
        guard request.method == .post, let origin = request.headers[.origin], !isSame(origin, request),
            !isAllowed(origin)
        else { return }
        throw APIError(
            .permission,
            "pages of \(origin.prefix(100)) may not call this server; --cors-origins allows them",
            code: "origin_not_allowed")
    }

    /// Adds what browsers want to see.
    func apply(to headers: inout HTTPFields, _ request: ServerRequest) {
        guard let origin = request.headers[.origin], isAllowed(origin) else { return }
        headers[.accessControlAllowOrigin] = origin
        headers[.vary] = "Origin"
        headers[.accessControlAllowCredentials] = "true"
        if request.method == .options {
            headers[.accessControlAllowMethods] = "GET, POST, DELETE, OPTIONS"
            headers[.accessControlAllowHeaders] = "*"
            headers[.accessControlMaxAge] = "600"
        }
    }

    private func isSame(_ origin: String, _ request: ServerRequest) -> Bool {
        guard let host = request.authority else { return false }
        return origin == "http://\(host)" || origin == "https://\(host)"
    }

    private func isAllowed(_ origin: String) -> Bool {
        origins.contains { $0 == "*" || $0 == origin || ($0 == "localhost" && Self.isLocal(origin)) }
    }

    /// Whether an origin is on this machine, whatever its port.
    private static func isLocal(_ origin: String) -> Bool {
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            var host = origin.dropFirst(scheme.count)
            if let end = host.lastIndex(of: ":"), host[host.index(after: end)...].allSatisfy(\.isNumber) {
                host = host[..<end]
            }
            return ["localhost", "127.0.0.1", "[::1]"].contains(host)
        }
        return false
    }
}
