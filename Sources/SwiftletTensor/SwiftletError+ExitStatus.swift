extension SwiftletError {
    /// The exit status of a command that ends with this error: the numbers of sysexits.h, as the argument
    /// parser uses them.
    package var exitStatus: Int32 {
        switch code {
        case .invalidArgument: 64  // EX_USAGE
        case .malformed, .unsupported, .mismatch: 65  // EX_DATAERR
        case .unreadable, .missing: 66  // EX_NOINPUT
        case .limit: 69  // EX_UNAVAILABLE
        case .unwritable: 74  // EX_IOERR
        case .busy: 75  // EX_TEMPFAIL
        default: 1
        }
    }
}
