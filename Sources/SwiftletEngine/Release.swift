/// What this program is, for files that say who wrote them.
public enum Release {
    /// The version of this release, as in the change log.
    public static let version = "0.1.0"
    /// Name and version.
    public static let name = "swiftlet \(version)"
}
