import SwiftletEngine

/// Variable tracking: a number goes from box to box, and another one does the same.
struct BoxDraft {
    private static let hops = 4
    private static let letters = Array("BCDFGHKLMNPRSTVXZ")
    let draft: TaskDraft

    init(_ haystack: Haystack, _ random: inout Xoshiro256) {
        var writer = FactWriter(random: Xoshiro256(seed: random.next()))
        var names: Set<String> = []
        var facts: [FactDocument.Placed] = []
        var chains: [(number: String, boxes: [String])] = []
        for _ in 0..<2 {
            let number = writer.number(digits: 5)
            let boxes = (0...Self.hops).map { _ in Self.name(&names, &random) }
            let depths = boxes.map { _ in random.nextUnit() }.sorted()
            for (index, box) in boxes.enumerated() {
                let held = index == 0 ? "the number \(number)" : "the same as the box \(boxes[index - 1])"
                facts.append(.init(sentence: "The box \(box) holds \(held).", depth: depths[index]))
            }
            chains.append((number, boxes))
        }
        let document = FactDocument(facts, haystack, &random)
        let asked = chains[Int.random(in: chains.indices, using: &random)]
        draft = TaskDraft(
            task: .variables,
            questions: [
                .init(
                    text:
                        "Which boxes hold the number \(asked.number), at first or second hand? Name all of them.",
                    answers: asked.boxes, needsAll: true)
            ], maxTokens: 64, context: document.text)
    }

    private static func name(_ used: inout Set<String>, _ random: inout Xoshiro256) -> String {
        var name = ""
        repeat {
            name = String((0..<3).map { _ in letters[Int.random(in: letters.indices, using: &random)] })
        } while !used.insert(name).inserted
        return name
    }
}
