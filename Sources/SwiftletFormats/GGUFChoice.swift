/// Which of the GGUF files of a repository is meant, and which files belong to it.
///
/// Source: the rules of llama.cpp's `-hf` (github.com/ggml-org/llama.cpp, `common/download.cpp`), 2026. One differs:
/// `F16` does not find `BF16` where a file of its own name is there.
package enum GGUFChoice {
    /// What the name of a file says: `Model-Q4_K_M-00001-of-00003.gguf` is part 1 of 3.
    struct Part: Hashable {
        /// The path without its number and ending.
        let stem: Substring
        let index: Int
        let count: Int
        /// How the path ends, such as `.gguf`.
        private let ending: Substring

        init?(_ path: String) {
            guard path.utf8.count > 5, path.suffix(5).lowercased() == ".gguf" else { return nil }
            let whole = path.dropLast(5)
            ending = path.suffix(5)
            let fields = whole.split(separator: "-", omittingEmptySubsequences: false)
            guard fields.count > 3, fields[fields.count - 2].lowercased() == "of",
                let index = Self.number(fields[fields.count - 3]),
                let count = Self.number(fields[fields.count - 1]),
                (1...max(count, 1)).contains(index)
            else {
                (stem, index, count) = (whole, 1, 1)
                return
            }
            (stem, self.index, self.count) = (whole.dropLast(15), index, count)
        }

        /// The path of another part.
        func path(_ index: Int) -> String {
            "\(stem)-\(Self.digits(index))-of-\(Self.digits(count))\(ending)"
        }

        /// A number as names of parts write it, with five digits.
        static func digits(_ number: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(5 - text.utf8.count, 0)) + text
        }

        private static func number(_ text: Substring) -> Int? {
            text.utf8.count == 5 && text.allSatisfy(\.isWholeNumber) ? Int(text) : nil
        }
    }

    /// Whether a file holds a model of its own, not a projector, a matrix of importance or a draft head.
    package static func isModel(_ path: String) -> Bool {
        guard Part(path) != nil else { return false }
        let name = path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]
        return !["mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-"].contains { name.contains($0) }
    }

    /// The file, or the first part of the file, that is meant.
    ///
    /// - Parameters:
    ///   - paths: of all files, in the order of the repository.
    ///   - selector: a path, or a number format such as `q4_k_m`; `nil` takes `Q4_K_M`, then `Q8_0`, then the first.
    package static func choose(from paths: [String], selector: String?) -> String? {
        if let selector, paths.contains(selector), Part(selector) != nil { return selector }
        let models = paths.filter { isModel($0) && Part($0)?.index == 1 }
        for tag in selector.map({ [$0] }) ?? ["Q4_K_M", "Q8_0"] {
            let found = models.filter { names(tag, in: $0, needsBoundary: false) }
            if let best = found.first(where: { names(tag, in: $0, needsBoundary: true) }) ?? found.first {
                return best
            }
        }
        return selector == nil ? models.first : nil
    }

    /// Whether all files are parts of one model, or there is only one.
    static func isOneModel(_ paths: [String]) -> Bool {
        guard paths.count > 1, let first = Part(paths[0]), first.count > 1 else { return paths.count == 1 }
        return paths.allSatisfy { path in
            Part(path).map { $0.stem == first.stem && $0.count == first.count } ?? false
        }
    }

    /// All parts of a file in order, or the file alone.
    ///
    /// - Returns: `nil` if a part is missing.
    package static func parts(of path: String, in paths: [String]) -> [String]? {
        guard let part = Part(path), part.count > 1 else { return [path] }
        let found = paths.compactMap { path in Part(path).map { (path: path, part: $0) } }
            .filter { $0.part.stem == part.stem && $0.part.count == part.count }
            .sorted { $0.part.index < $1.part.index }
        return found.map(\.part.index) == Array(1...part.count) ? found.map(\.path) : nil
    }

    /// Whether a format's name stands in a path before `.` or `-`.
    private static func names(_ tag: String, in path: String, needsBoundary: Bool) -> Bool {
        let (path, tag) = (Array(path.uppercased().utf8), Array(tag.uppercased().utf8))
        guard !tag.isEmpty, path.count > tag.count else { return false }
        return (0..<path.count - tag.count).contains { start in
            let next = path[start + tag.count]
            guard next == UInt8(ascii: ".") || next == UInt8(ascii: "-"),
                path[start..<start + tag.count].elementsEqual(tag)
            else { return false }
            return !needsBoundary || start == 0 || "-._/".utf8.contains(path[start - 1])
        }
    }
}
