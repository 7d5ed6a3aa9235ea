import SwiftletCache

/// The cache policies that clients may name.
///
/// Some policies read or write files; those are the operator's to choose, so that no client can make the server touch
/// a path.
enum KVPolicyNames {
    /// Most bytes of a specification.
    private static let limit = 256

    /// Components that a client may use, in the order of `swiftlet kv list`.
    static var all: [String] { KVComponent.all.filter { !readsFile($0) }.map(\.name) }

    /// Refuses a specification that names files.
    ///
    /// - Parameter own: the operator's specification, which is allowed.
    static func check(_ specification: String, own: String?, field: String) throws(APIError) {
        guard specification != own else { return }
        guard specification.utf8.count <= limit else {
            throw .field(field, "has \(specification.utf8.count) bytes, expected at most \(limit)")
        }
        for part in specification.split(separator: "+") {
            let pieces = part.split(separator: ":", maxSplits: 1)
            let name = pieces.first.map { $0.lowercased() } ?? ""
            let options = pieces.count == 2 ? pieces[1].split(separator: ",") : []
            let touchesFiles = KVComponent.all.contains { $0.name == name && readsFile($0) }
            let places = options.contains { option in
                let key = option.split(separator: "=").first.map { $0.lowercased() } ?? ""
                return ["file", "dir", "tier"].contains(key.filter { !$0.isWhitespace })
            }
            guard !touchesFiles, !places else {
                throw APIError(
                    .invalidRequest,
                    "'\(field)' names a policy that uses files; only the server's own --kv-policy may do that",
                    parameter: field, code: "invalid_value")
            }
        }
    }

    private static func readsFile(_ component: KVComponent) -> Bool {
        component.options.contains { $0.name == "file" }
    }
}
