import SwiftletEngine

/// A sentence that says something about somebody, the question about it, and the answer.
struct Fact: Hashable, Sendable {
    let sentence: String
    let question: String
    let answer: String

    /// What is said. The forms are those that the built-in model was trained on.
    enum Kind: CaseIterable {
        case number, home, owner, food, magicWord
    }
}

/// Invents facts, each about somebody else and with another answer.
struct FactWriter {
    private var random: Xoshiro256
    private var used: Set<String> = []

    init(random: Xoshiro256) { self.random = random }

    /// Random kinds, all different; at most as many as there are.
    mutating func kinds(_ count: Int) -> [Fact.Kind] {
        Array(Fact.Kind.allCases.shuffled(using: &random).prefix(count))
    }

    /// A fact of a kind.
    mutating func fact(_ kind: Fact.Kind) -> Fact {
        switch kind {
        case .number: return number()
        case .home: return home()
        case .owner: return owner()
        case .food: return food()
        case .magicWord: return magicWord()
        }
    }

    private mutating func number() -> Fact {
        let who = new { $0.anybody() }
        let number = new { $0.digits(Int.random(in: 3...5, using: &$0.random)) }
        let sentence = "the secret number of \(who) is \(number)."
        return Fact(
            sentence: flip() ? Self.capitalized(sentence) : "Remember that \(sentence)",
            question: flip()
                ? "What is the secret number of \(who)?" : "Tell me the secret number of \(who).",
            answer: number)
    }

    private mutating func home() -> Fact {
        let who = new { $0.word(Self.names) }
        let place = new {
            "the \($0.flip() ? $0.word(Self.adjectives) : $0.word(Self.colours)) \($0.word(Self.places))"
        }
        return Fact(
            sentence: "\(who) lives in \(place).", question: "Where does \(who) live?", answer: "In \(place)."
        )
    }

    private mutating func owner() -> Fact {
        let thing = new { "the \($0.word(Self.colours)) \($0.word(Self.things))" }
        let who = new { $0.word(Self.names) }
        return Fact(
            sentence: flip() ? Self.capitalized("\(thing) belongs to \(who).") : "\(who) has \(thing).",
            question: flip() ? "Who has \(thing)?" : "To whom does \(thing) belong?", answer: "\(who).")
    }

    private mutating func food() -> Fact {
        let who = new { $0.creature() }
        let foods = new { writer in
            let first = writer.word(Self.foods)
            let others = Self.foods.filter { $0 != first }
            return "\(first) and \(writer.word(others))"
        }
        return Fact(
            sentence: Self.capitalized("\(who) likes to eat \(foods)."),
            question: "What does \(who) like to eat?",
            answer: Self.capitalized("\(foods)."))
    }

    private mutating func magicWord() -> Fact {
        let who = new { $0.creature() }
        let words = new { "\($0.word(Self.spells)) \($0.word(Self.spells))" }
        return Fact(
            sentence: "The magic word of \(who) is \(words).", question: "What is the magic word of \(who)?",
            answer: Self.capitalized("\(words)."))
    }

    // MARK: Words

    /// Somebody or something that has not been spoken of.
    mutating func somebody() -> String { new { $0.anybody() } }

    /// A number that has not occurred.
    mutating func number(digits: Int) -> String { new { $0.digits(digits) } }

    private mutating func anybody() -> String {
        flip() ? creature() : "the \(word(Self.colours)) \(word(Self.things))"
    }

    private mutating func creature() -> String {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: "the \(word(Self.colours)) \(word(Self.animals))"
        case 1: "the \(word(Self.adjectives)) \(word(Self.animals))"
        default: word(Self.names)
        }
    }

    /// Something that was not used before. Where nearly everything was, it gets a number of its own.
    private mutating func new(_ make: (inout FactWriter) -> String) -> String {
        var found = make(&self)
        for _ in 0..<64 where used.contains(found) { found = make(&self) }
        if used.contains(found) { found += " \(used.count)" }
        used.insert(found)
        return found
    }

    private mutating func digits(_ count: Int) -> String {
        (0..<count).map { "\(Int.random(in: ($0 == 0 ? 1 : 0)...9, using: &random))" }.joined()
    }

    private mutating func flip() -> Bool { random.next() & 1 == 0 }

    private mutating func word(_ list: [String]) -> String { list.randomElement(using: &random) ?? "" }

    static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    private static func list(_ words: String) -> [String] { words.split(separator: " ").map(String.init) }

    static let colours = list(
        "red blue green golden silver black white brown purple orange yellow grey pink crimson amber violet")
    static let animals = list(
        "fox hare owl bear wolf raven frog mouse goose stag otter badger swan toad mole cat dog horse goat lion crow "
            + "hen duck pig")
    static let adjectives = list("old young little proud clever lazy brave gentle hungry wise merry sleepy")
    static let names = list(
        "Anna Peter Heidi Tom Mary Jack Rose Hans Gerda Kay Alice John Bobbie Phyllis Ivan Elsa Karl Nina Oscar Ruth "
            + "Sam Tilda Ugo Vera Will Zoe Emma Felix Greta Otto")
    static let places = list(
        "forest castle mill river garden tower cave bridge village palace well barn meadow church market harbour "
            + "island mountain kitchen cellar")
    static let things = list(
        "ring key sword lamp mirror crown book cloak harp shoe apple coin bell map drum cup flute basket needle "
            + "feather")
    static let foods = list(
        "bread cheese honey soup apples cake milk fish porridge berries nuts plums pears")
    private static let spells = things + animals + places
}
