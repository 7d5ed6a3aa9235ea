import SwiftletFormats
import SwiftletModels
public import SwiftletTensor

/// What was learned about a model for a cache method, as a file: who made it, from what, for which model.
public struct KVProfile: Hashable, Sendable {
    /// The model that a profile belongs to.
    public struct Subject: Hashable, Sendable {
        /// The name it was asked for by.
        public var name: String
        /// See ``Model/fingerprint``.
        public var fingerprint: String

        /// Names a model.
        public init(_ model: Model) {
            name = model.name
            fingerprint = model.fingerprint
        }

        init(name: String, fingerprint: String) {
            self.name = name
            self.fingerprint = fingerprint
        }
    }

    /// The texts that a profile was made from.
    public struct Provenance: Hashable, Sendable {
        /// The file, as it was named.
        public var text: String
        /// Hash of its bytes.
        public var textFingerprint: String
        /// How many pieces of it were used.
        public var samples: Int
        /// Tokens of each.
        public var tokens: Int
        /// Where the pieces begin depends on it.
        public var seed: Int
        /// The program and its version.
        public var creator: String
    }

    /// What was learned.
    public enum Content: Hashable, Sendable {
        case uncomp(UNCompProfile)
        case kvsharer(KVSharerStrategy)

        /// The name of the method.
        public var method: KVProfileMethod {
            switch self {
            case .uncomp: .uncomp
            case .kvsharer: .kvsharer
            }
        }
    }

    /// The model.
    public var subject: Subject
    /// The texts.
    public var provenance: Provenance
    /// The result.
    public var content: Content

    static let format = "swiftlet-kv-profile"
    static let version = 1

    // MARK: Files

    /// The file as text, one object in JSON.
    public var json: String {
        var json = JSONWriter(indent: 1)
        json.object { json in
            json.member("format", Self.format)
            json.member("version", Self.version)
            json.member("method", content.method.rawValue)
            json.key("model")
            json.object { json in
                json.member("name", subject.name)
                json.member("fingerprint", subject.fingerprint)
            }
            json.key("calibration")
            json.object { json in
                json.member("text", provenance.text)
                json.member("text_fingerprint", provenance.textFingerprint)
                json.member("samples", provenance.samples)
                json.member("tokens", provenance.tokens)
                json.member("seed", provenance.seed)
                json.member("creator", provenance.creator)
            }
            switch content {
            case .uncomp(let profile): profile.write(to: &json)
            case .kvsharer(let strategy): strategy.write(to: &json)
            }
        }
        return json.text + "\n"
    }

    /// Writes the file, which appears under its name complete or not at all.
    public func write(to path: String) throws(SwiftletError) {
        try AtomicFile.write(Array(json.utf8), to: path)
    }

    /// Reads a file.
    ///
    /// - Throws: `.unreadable`, or `.malformed` naming the key, what was found and what was expected.
    public init(path: String) throws(SwiftletError) {
        try self.init(KVProfileFields(try JSON.parse(contentsOf: path)))
    }

    /// Reads a profile and checks that it belongs to a model.
    ///
    /// - Throws: `.mismatch` naming both models.
    public init(path: String, for model: Model) throws(SwiftletError) {
        try self.init(path: path)
        guard subject.fingerprint == model.fingerprint else {
            throw SwiftletError(
                .mismatch,
                "\(path) was made for the model \(subject.name) (\(subject.fingerprint)), not for \(model.name) "
                    + "(\(model.fingerprint)); make one with: swiftlet kv profile --method "
                    + "\(content.method.rawValue)")
        }
        try content.check(model.configuration, source: path)
    }

    init(
        subject: Subject, provenance: Provenance, content: Content
    ) {
        (self.subject, self.provenance, self.content) = (subject, provenance, content)
    }

    private init(_ reader: KVProfileFields) throws(SwiftletError) {
        guard try reader.string("format") == Self.format else {
            throw SwiftletError(.malformed, "\(reader.source): is not a profile made by swiftlet kv profile")
        }
        guard try reader.integer("version") == Self.version else {
            throw SwiftletError(
                .unsupported,
                "\(reader.source): has version \(try reader.integer("version")), this program reads "
                    + "\(Self.version); make the profile again")
        }
        let model = try reader.object("model")
        subject = Subject(name: try model.string("name"), fingerprint: try model.string("fingerprint"))
        let calibration = try reader.object("calibration")
        provenance = Provenance(
            text: try calibration.string("text"),
            textFingerprint: try calibration.string("text_fingerprint"),
            samples: try calibration.integer("samples"), tokens: try calibration.integer("tokens"),
            seed: try calibration.integer("seed"),
            creator: try calibration.string("creator"))
        let method = try reader.string("method")
        switch KVProfileMethod(rawValue: method) {
        case .uncomp: content = .uncomp(try UNCompProfile(reader))
        case .kvsharer: content = .kvsharer(try KVSharerStrategy(reader))
        case nil:
            let known = KVProfileMethod.allCases.map(\.rawValue).joined(separator: " or ")
            throw SwiftletError(
                .unsupported, "\(reader.source): is for the method '\(method)', expected \(known)")
        }
    }
}

/// The cache methods that learn something about a model beforehand.
public enum KVProfileMethod: String, CaseIterable, Sendable {
    case uncomp, kvsharer
}

extension KVProfile.Content {
    /// Checks that the sizes are the model's.
    func check(_ c: DecoderConfiguration, source: String) throws(SwiftletError) {
        switch self {
        case .uncomp(let profile):
            guard profile.ranks.count == c.layerCount,
                profile.ranks.allSatisfy({ $0.count == c.headCount })
            else {
                throw SwiftletError(
                    .malformed, "\(source): 'ranks' is not \(c.layerCount) layers × \(c.headCount) heads")
            }
        case .kvsharer(let strategy):
            guard strategy.map.count == c.layerCount else {
                throw SwiftletError(
                    .malformed,
                    "\(source): 'map' has \(strategy.map.count) entries for \(c.layerCount) layers")
            }
        }
    }
}
