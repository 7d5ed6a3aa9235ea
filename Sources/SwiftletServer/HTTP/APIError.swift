public import SwiftletTensor

/// Why a request was refused, and how that is said: an HTTP status and OpenAI's error object.
public struct APIError: Error, Hashable, Sendable {
    /// The kind of refusal: a status and the name that clients compare.
    public struct Kind: Hashable, Sendable {
        /// The HTTP status.
        public let status: Int
        /// The `type` of the error object.
        public let name: String

        /// The request cannot be understood or asks for what is not there.
        public static let invalidRequest = Kind(status: 400, name: "invalid_request_error")
        /// The prompt has more tokens than the context holds.
        public static let contextExceeded = Kind(status: 400, name: "exceed_context_size_error")
        /// No key, or a wrong one.
        public static let authentication = Kind(status: 401, name: "authentication_error")
        /// The key is right, the deed is not allowed.
        public static let permission = Kind(status: 403, name: "permission_error")
        /// There is no such path, model or response.
        public static let notFound = Kind(status: 404, name: "not_found_error")
        /// The path exists, but not with this method.
        public static let method = Kind(status: 405, name: "invalid_request_error")
        /// The client took too long to send its request.
        public static let timeout = Kind(status: 408, name: "invalid_request_error")
        /// The body is larger than allowed.
        public static let tooLarge = Kind(status: 413, name: "invalid_request_error")
        /// Something went wrong here.
        public static let server = Kind(status: 500, name: "server_error")
        /// A valid request for what this server or its settings do not offer.
        public static let notSupported = Kind(status: 501, name: "not_supported_error")
        /// The server loads, is full or ends; try again later.
        public static let unavailable = Kind(status: 503, name: "unavailable_error")
    }

    /// The kind of refusal.
    public var kind: Kind
    /// One sentence for a person.
    public var message: String
    /// The field of the request that is wrong, such as `messages[2].content`.
    public var parameter: String?
    /// A word for programs, such as `context_length_exceeded`.
    public var code: String?
    /// More members of the error object.
    public var details: [String: Int] = [:]
    /// Seconds after which another attempt makes sense, sent as `Retry-After`.
    public var retryAfter: Int?

    /// Creates an error from its kind and its sentence.
    public init(_ kind: Kind, _ message: String, parameter: String? = nil, code: String? = nil) {
        self.kind = kind
        self.message = message
        self.parameter = parameter
        self.code = code
    }

    /// What the engine says about a request.
    ///
    /// - Parameter parameter: the field that led to it.
    public init(_ error: SwiftletError, parameter: String? = nil) {
        let kind: Kind =
            switch error.code {
            case .invalidArgument, .malformed, .unsupported, .mismatch, .missing: .invalidRequest
            case .limit: .unavailable
            default: .server
            }
        self.init(kind, error.message, parameter: parameter)
    }

    /// A field with a wrong value.
    static func field(_ name: String, _ problem: String, code: String? = "invalid_value") -> APIError {
        APIError(.invalidRequest, "'\(name)' \(problem)", parameter: name, code: code)
    }

    /// A field that is known but not offered.
    static func refused(_ name: String, _ reason: String) -> APIError {
        APIError(
            .invalidRequest, "'\(name)' is not supported: \(reason)", parameter: name,
            code: "unsupported_parameter")
    }

    /// A prompt that does not fit.
    static func contextExceeded(promptTokens: Int, contextLength: Int) -> APIError {
        var error = APIError(
            .contextExceeded,
            "the prompt is too large: it has \(promptTokens) tokens, which exceeds the available context size of "
                + "\(contextLength) tokens; shorten it or start the server with a larger -c",
            code: "context_length_exceeded")
        error.details = ["n_prompt_tokens": promptTokens, "n_ctx": contextLength]
        return error
    }
}
