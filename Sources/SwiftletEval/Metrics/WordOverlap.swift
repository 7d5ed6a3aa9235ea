/// Agreement of two lists of words.
enum WordOverlap {
    /// F1 of the words of an answer; two empty lists agree.
    static func f1(_ answer: [String], _ reference: [String]) -> Double {
        guard !answer.isEmpty, !reference.isEmpty else { return answer == reference ? 1 : 0 }
        var left: [String: Int] = [:]
        for word in reference { left[word, default: 0] += 1 }
        var common = 0
        for word in answer {
            guard let count = left[word], count > 0 else { continue }
            left[word] = count - 1
            common += 1
        }
        return harmonic(common, answer.count, reference.count)
    }

    /// Harmonic mean of `common / first` and `common / second`.
    static func harmonic(_ common: Int, _ first: Int, _ second: Int) -> Double {
        first + second > 0 ? 2 * Double(common) / Double(first + second) : 0
    }
}

/// ROUGE over whole answers.
///
/// Source: Lin, 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", §3.1, with β = 1.
enum Rouge {
    /// ROUGE-L; two empty lists agree.
    ///
    /// - Complexity: product of the lengths in time, the length of `reference` in memory.
    static func longest(_ answer: [String], _ reference: [String]) -> Double {
        guard !answer.isEmpty, !reference.isEmpty else { return answer == reference ? 1 : 0 }
        var lengths = [Int](repeating: 0, count: reference.count + 1)
        for word in answer {
            var diagonal = 0  // lengths[j] of the row before
            for j in reference.indices {
                let above = lengths[j + 1]
                lengths[j + 1] = reference[j] == word ? diagonal + 1 : max(above, lengths[j])
                diagonal = above
            }
        }
        return WordOverlap.harmonic(lengths[reference.count], answer.count, reference.count)
    }
}
