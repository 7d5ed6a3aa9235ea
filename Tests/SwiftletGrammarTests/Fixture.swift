import Foundation
import SwiftletFormats

/// A JSON file beside the tests.
func fixture(_ name: String) throws -> JSON {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    return try JSON.parse(contentsOf: folder.appendingPathComponent("Fixtures/\(name)").path)
}

extension JSON {
    /// The strings of an array.
    var strings: [String] { elements.compactMap(\.string) }
}
