import SwiftletFormats
import SwiftletTensor

/// The model that is used when none is named.
enum BuiltInModel {
    /// Opens it.
    static func file() throws(SwiftletError) -> GGUFFile {
        throw SwiftletError(.missing, "this build holds no model; name one with -m")
    }
}
