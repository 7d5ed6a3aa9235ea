import Testing

@testable import SwiftletEval

@Suite struct AnswerMetricTests {
    private func score(_ metric: AnswerMetric, _ answer: String, _ reference: String) -> Double {
        metric.score(answer, against: reference)
    }

    @Test("exact match forgives case, articles, punctuation and spaces")
    func exact() {
        #expect(score(.exact, " In the red mill.", "in red  mill") == 1)
        #expect(score(.exact, "“Lamp—river”!", "lampriver") == 1)
        #expect(score(.exact, "4821", "482") == 0)
        #expect(score(.exact, "another theory", "other ory") == 0)
        #expect(score(.exact, "ÉCOLE", "école") == 1)
        #expect(score(.exact, "", "") == 1 && score(.exact, "the", "") == 1 && score(.exact, "", "x") == 0)
    }

    @Test("contains is a substring without regard to case and line ends")
    func contains() {
        #expect(score(.contains, "It is 4821, I think.", "4821") == 1)
        #expect(score(.contains, "The\nWhite  House", "white house") == 1)
        #expect(score(.contains, "48 21", "4821") == 0)
        #expect(score(.contains, "", "x") == 0)
    }

    @Test("F1 counts repeated words once each")
    func f1() {
        // 2 of 3 words are right, 2 of 4 are found: 2·2 / (3 + 4)
        #expect(score(.f1, "red old fox", "the red fox likes bread") == 4.0 / 7)
        #expect(score(.f1, "fox fox fox", "fox") == 0.5)
        #expect(score(.f1, "cat", "dog") == 0)
        #expect(score(.f1, "", "") == 1 && score(.f1, "x", "") == 0 && score(.f1, "", "x") == 0)
    }

    @Test("ROUGE-L follows the order of words")
    func rouge() {
        // police killed the gunman / police kill the gunman: LCS "police the gunman", 3 of 4 and 3 of 4
        #expect(score(.rougeL, "police kill the gunman", "police killed the gunman") == 0.75)
        // the gunman kill police: LCS "the gunman" or "kill"…
        #expect(score(.rougeL, "the gunman kill police", "police killed the gunman") == 0.5)
        #expect(score(.rougeL, "", "") == 1 && score(.rougeL, "…", "a") == 0)
        // ideographs are words: LCS of 2 in 3 and 2
        #expect(score(.rougeL, "北京市", "北京") == 0.8)
    }

    @Test("edit similarity counts characters, whatever their bytes")
    func edit() {
        #expect(score(.edit, "kitten", "sitting") == 1 - 3.0 / 7)
        #expect(score(.edit, " abc\n", "abc") == 1)
        #expect(score(.edit, "e\u{301}a", "\u{E9}b") == 0.5)
        #expect(score(.edit, "👨‍👩‍👧", "x") == 0)
        #expect(score(.edit, "", "") == 1 && score(.edit, "", "ab") == 0)
    }

    @Test("several references: the best, or their mean")
    func several() {
        let references = ["4821", "77"]
        #expect(AnswerMetric.contains.score("77", against: references, needsAll: false) == 1)
        #expect(AnswerMetric.contains.score("77", against: references, needsAll: true) == 0.5)
        #expect(AnswerMetric.contains.score("77", against: [], needsAll: true) == 0)
    }

    @Test(
        "names are found however they are written",
        arguments: [
            ("exact", AnswerMetric.exact), ("ROUGE-L", .rougeL), ("rougeL", .rougeL), ("rouge_l", .rougeL),
            ("edit", .edit), ("edit_similarity", .edit), ("F1", .f1),
        ])
    func names(name: String, metric: AnswerMetric) {
        #expect(AnswerMetric(named: name) == metric)
        #expect(AnswerMetric(named: name + "x") == nil)
    }

    @Test("every metric lies between 0 and 1 and gives 1 for the same text", arguments: AnswerMetric.allCases)
    func bounds(metric: AnswerMetric) {
        let texts = ["", "a", "the red fox", "fox fox", "\u{0}\n", "ß", "日本", "👍🏽 ok", "…!?"]
        for a in texts {
            #expect(metric.score(a, against: a) == 1)
            for b in texts { #expect((0...1).contains(metric.score(a, against: b))) }
        }
    }
}
