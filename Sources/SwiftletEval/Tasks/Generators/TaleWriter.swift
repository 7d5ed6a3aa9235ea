import SwiftletEngine

/// Writes sentences of a plain tale that say nothing a task asks for.
struct TaleWriter {
    private var random: Xoshiro256
    private var last = -1

    init(random: Xoshiro256) { self.random = random }

    /// The next sentence; never the same pattern twice in a row.
    mutating func sentence() -> String {
        var pattern = Int.random(in: Self.patterns.indices, using: &random)
        if pattern == last { pattern = (pattern + 1) % Self.patterns.count }
        last = pattern
        var sentence = ""
        for (index, piece) in Self.patterns[pattern].split(separator: "|", omittingEmptySubsequences: false)
            .enumerated()
        {
            sentence += index % 2 == 0 ? String(piece) : word(of: piece)
        }
        return sentence.prefix(1).uppercased() + sentence.dropFirst()
    }

    private mutating func word(of list: Substring) -> String {
        Self.words[String(list)]?.randomElement(using: &random) ?? ""
    }

    /// Sentences with lists of ``words`` between bars.
    private static let patterns = [
        "|time| the |person| went |way|, and |company|.",
        "the |person| sat down by the |rest| and thought of |thought|.",
        "“I have never seen such |wonder|,” said the |person|.",
        "it was |weather|, and nobody |deed|.",
        "|time| there came |sound| from behind the |rest|.",
        "the |person| said nothing, but the |person| began to |act|.",
        "so they went on |way| until |end|.",
        "|company|, and that was the end of it.",
        "the |person| had |number| sons, and none of them |deed|.",
        "|time| it was |weather| again.",
        "“If you will only |act|,” said the |person|, “we shall see what becomes of it.”",
        "then the |person| opened the |rest| and found |wonder| inside.",
        "for |number| days they travelled |way|, and always it was |weather|.",
        "the wind blew over the |rest|, and |sound| was heard far away.",
        "nobody knew why the |person| would not |act|.",
        "when |end|, the |person| went home |way|.",
        "there was once a |person| who thought of nothing but |thought|.",
        "“Who has been here?” asked the |person|, but |company|.",
        "the |person| laughed so loudly that |end|.",
        "in those days people still believed in |wonder|.",
        "|time| the |person| told the story of |thought|, and all of them began to |act|.",
        "they waited |number| hours, but |company|.",
        "at the |rest| stood a |person| who did not |act|.",
        "before |end|, |sound| came down from the hill.",
    ]

    private static let words: [String: [String]] = [
        "time": [
            "early in the morning", "after a while", "one evening", "at last", "the next day", "towards noon",
            "long ago", "in the middle of the night", "on the third day", "as soon as it was dark",
        ],
        "person": [
            "king", "queen", "miller", "tailor", "widow", "shepherd", "soldier", "woodcutter", "fisherman",
            "baker",
            "piper", "giant", "dwarf", "princess", "beggar", "stepmother", "hunter", "sailor", "servant",
            "stranger",
        ],
        "way": [
            "over the hills", "through the deep snow", "along the road", "up the narrow stairs",
            "down to the shore",
            "across the fields", "round and round", "by a way that no one knew", "without looking back",
        ],
        "company": [
            "no one went with him", "everybody followed", "nobody answered", "the children ran behind",
            "not a soul was to be seen", "there was no one to ask", "they all fell asleep",
        ],
        "rest": [
            "fire", "window", "gate", "table", "stove", "old wall", "door", "stairs", "oak tree", "fountain",
            "chest",
        ],
        "thought": [
            "better times", "the long winter", "what had been promised", "a journey to foreign lands",
            "the days of his youth", "all that might have been", "dancing and fine clothes",
            "his poor old father",
        ],
        "wonder": [
            "a beautiful dress", "so great a treasure", "a sleeping child", "strange lights",
            "giants and witches",
            "a heap of straw", "fine white linen", "so much snow", "a wonderful picture",
        ],
        "weather": [
            "bitterly cold", "so dark that one could see nothing", "a fine bright day", "raining hard",
            "as warm as in summer", "quite still", "blowing from the north",
        ],
        "deed": [
            "went out", "had any work", "slept that night", "could say why", "wanted to help", "spoke a word",
            "dared to laugh", "came back",
        ],
        "sound": [
            "a soft singing", "the noise of wheels", "a great cry", "the beating of wings",
            "a sound of music",
            "a loud knocking", "someone weeping",
        ],
        "act": [
            "sing", "work", "weep", "dance", "wait a little", "tell the truth", "go on", "sleep",
            "stay at home",
            "run as fast as he could", "look out of the window",
        ],
        "end": [
            "the sun went down", "the moon rose", "the candle went out", "the snow melted",
            "they were all tired",
            "the clock struck twelve", "the whole house shook", "there was nothing left to eat",
        ],
        "number": ["two", "three", "four", "six", "seven", "nine", "twelve", "a hundred"],
    ]
}
