/// What went wrong with something that came from outside: a file, a flag, a request.
///
/// The message is one sentence for a person: it names the file or flag, what was found, what was expected and
/// what to do next. Programs switch over ``code``. A broken promise between our own functions is a
/// `precondition`, never this error.
public struct SwiftletError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new kind breaks no caller.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind {
            case unreadable, malformed, unsupported, missing, mismatch, invalidArgument, limit, unwritable,
                busy
        }

        private let kind: Kind

        /// A path could not be opened, mapped or listed.
        public static let unreadable = Code(kind: .unreadable)
        /// A file contradicts its own format: truncated, overlapping, cyclic, out of range.
        public static let malformed = Code(kind: .malformed)
        /// A valid file asks for something that Swiftlet does not implement.
        public static let unsupported = Code(kind: .unsupported)
        /// A tensor, key, file or model that is needed is not there.
        public static let missing = Code(kind: .missing)
        /// Two things that must agree do not, such as a tensor's shape and the configuration.
        public static let mismatch = Code(kind: .mismatch)
        /// A flag, parameter or request is out of range.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// A bound was reached: context length, memory.
        public static let limit = Code(kind: .limit)
        /// A file could not be created or written.
        public static let unwritable = Code(kind: .unwritable)
        /// A queue is full, or something is shutting down: the same may work later.
        public static let busy = Code(kind: .busy)

        /// The name of the code, as in `malformed`.
        public var description: String { "\(kind)" }
    }

    /// The kind of failure.
    public let code: Code
    /// One sentence: what, found, expected, next step.
    public let message: String

    /// Creates an error from its kind and its sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message alone; the code is for programs.
    public var description: String { message }
}
