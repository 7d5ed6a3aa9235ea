/// The tasks that are made up, in the manner of RULER.
///
/// Source: Hsieh et al., 2024, arXiv:2404.06654, §3. The texts are our own, and lists grow with the length instead of
/// having a fixed number of repetitions.
public enum GeneratedTask: String, CaseIterable, Sendable {
    /// One fact in a text that says nothing else.
    case single
    /// One of four facts.
    case multikey
    /// Four values of one key.
    case multivalue
    /// Four facts, all of which are asked for.
    case multiquery
    /// Which boxes hold a number that was handed on from box to box.
    case variables
    /// The ten words that a list repeats most, the others being rare.
    case common
    /// The three most frequent words of a text whose words follow Zipf's law.
    case frequent
    /// How many of those that are spoken of live in one place.
    case count

    /// One line about the task.
    public var summary: String {
        switch self {
        case .single: "one fact in a text that says nothing else"
        case .multikey: "one of four facts"
        case .multivalue: "four values of one key"
        case .multiquery: "four facts, all of which are asked for"
        case .variables: "a value that is handed on from box to box"
        case .common: "the ten words that a list repeats most"
        case .frequent: "the three most frequent words of a text"
        case .count: "how many of those that are named live in one place"
        }
    }

    /// Whether the answer lies in one place, so that its depth can be chosen.
    public var isPlaced: Bool { self == .single || self == .multikey }

    /// The names, for messages and help.
    public static let names = allCases.map(\.rawValue).joined(separator: ", ")
}
