//! The time zone of the person at the terminal, from `TZ` or `/etc/localtime`.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

/// The zone that `TZ` means as POSIX and the C library read it; without it `/etc/localtime`; UTC where neither can be read.
pub(crate) fn local(tz: Option<&str>) -> TimeZone {
    match tz.map(|tz| tz.strip_prefix(':').unwrap_or(tz)) {
        None => from_file(Path::new("/etc/localtime")),
        Some(name) => named(name).or_else(|| TimeZone::posix(name).ok()),
    }
    .unwrap_or(TimeZone::UTC)
}

fn named(name: &str) -> Option<TimeZone> {
    let path = if name.starts_with('/') { PathBuf::from(name) } else { Path::new("/usr/share/zoneinfo").join(name) };
    let leads_elsewhere = Path::new(name).components().any(|part| part == std::path::Component::ParentDir);
    (!leads_elsewhere).then(|| from_file(&path)).flatten()
}

fn from_file(path: &Path) -> Option<TimeZone> {
    let size = path.metadata().ok().filter(|file| file.is_file())?.len();
    let bytes = (size <= LONGEST_ZONE).then(|| std::fs::read(path).ok()).flatten()?;
    TimeZone::tzif("local", &bytes).ok()
}

/// The longest files of the zone database are a few thousand bytes.
const LONGEST_ZONE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times;

    #[test]
    fn every_way_to_name_a_zone_is_understood() {
        let at = "2026-11-23T10:00:00Z".parse().unwrap();
        for (tz, shown) in [
            ("JST-9", "2026-11-23 19:00:00 JST"),
            ("UTC0", "2026-11-23 10:00:00 UTC"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-11-23 05:00:00 EST"),
            ("../../etc/passwd", "2026-11-23 10:00:00 UTC"),
            ("/etc/passwd", "2026-11-23 10:00:00 UTC"),
            ("Nowhere/At_All", "2026-11-23 10:00:00 UTC"),
        ] {
            assert_eq!(times::local(at, &local(Some(tz))), shown, "TZ={tz}");
        }
    }

    #[test]
    fn the_zone_database_is_read_where_there_is_one() {
        if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
            let at = "2026-11-23T10:00:00Z".parse().unwrap();
            assert_eq!(times::local(at, &local(Some(":Asia/Tokyo"))), "2026-11-23 19:00:00 JST");
        }
    }
}
