import CSwiftletTales
package import SwiftletFormats
package import SwiftletTensor

/// The small model that lies in the executable: it tells tales and answers questions about its context.
///
/// See `Sources/CSwiftletTales/README.md` for what it is and where it is from.
package enum BuiltInModel {
    /// Keeps the bytes, which live as long as the process.
    private final class Owner: Sendable {}

    /// The model as a GGUF file; its tensors are views of the executable.
    package static func file() throws(SwiftletError) -> GGUFFile {
        let bytes = UnsafeRawBufferPointer(start: swiftlet_tales_bytes(), count: swiftlet_tales_size())
        return try GGUFFile(bytes: bytes, owner: Owner(), path: "built-in model")
    }
}
