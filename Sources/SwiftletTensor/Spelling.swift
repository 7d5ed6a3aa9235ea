/// Finds what somebody may have meant.
public enum Spelling {
    /// `"; did you mean 'snapkv'?"` if one of `names` is near, else nothing.
    public static func suggestion(for name: String, from names: [String]) -> String {
        nearest(to: name, from: names).map { "; did you mean '\($0)'?" } ?? ""
    }

    /// The name with the fewest changed letters, if these are at most a third of its length (at least one).
    public static func nearest(to name: String, from names: [String]) -> String? {
        let ranked = names.map { (name: $0, distance: distance(name.lowercased(), $0.lowercased())) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(best.name.count / 3, 1)
        else { return nil }
        return best.name
    }

    /// The fewest letters to insert, delete or replace (Levenshtein).
    ///
    /// - Complexity: product of the lengths in time, the length of `b` in memory.
    package static func distance(_ a: some Sequence<Character>, _ b: some Sequence<Character>) -> Int {
        let b = Array(b)
        var row = Array(0...b.count)
        for (i, letter) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let cost = diagonal + (letter == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(cost, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
