import HTTPTypes

/// Answers one kind of request.
typealias Handler = @Sendable (ServerRequest) async throws(APIError) -> Answer

/// One line of the server's table.
struct Route: Sendable {
    let method: HTTPRequest.Method
    /// The path; `*` stands for one or more parts at the end, or for exactly one elsewhere.
    let path: String
    /// What it does, for `/openapi.json`.
    let summary: String
    /// Whether no key is needed.
    var isPublic = false
    /// Whose errors it speaks.
    var dialect = Dialect.openAI
    let handler: Handler

    init(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, isPublic: Bool = false,
        dialect: Dialect = .openAI, _ handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.isPublic = isPublic
        self.dialect = dialect
        self.handler = handler
    }

    /// What stands for the `*` of the path; `nil` if the path is another one.
    func match(_ path: String) -> [String]? {
        guard let star = self.path.firstIndex(of: "*") else { return self.path == path ? [] : nil }
        let front = self.path[..<star]
        let back = self.path[self.path.index(after: star)...]
        guard path.hasPrefix(front), path.hasSuffix(back),
            path.utf8.count > front.utf8.count + back.utf8.count
        else { return nil }
        return [String(path.dropFirst(front.count).dropLast(back.count))]
    }
}

/// The server's table.
struct RouteTable: Sendable {
    /// What a path leads to.
    enum Match {
        case route(Route, parameters: [String])
        /// The path is known, but not with this method.
        case otherMethods([HTTPRequest.Method])
        case none
    }

    let routes: [Route]

    /// The endpoint of a path; `HEAD` asks what `GET` does.
    func find(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let wanted = method == .head ? .get : method
        var methods: [HTTPRequest.Method] = []
        for route in routes {
            guard let parameters = route.match(path) else { continue }
            if route.method == wanted { return .route(route, parameters: parameters) }
            methods.append(route.method)
        }
        return methods.isEmpty ? .none : .otherMethods(methods)
    }
}
