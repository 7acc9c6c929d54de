//! AWS's clock, which a test can change.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

/// The one reader of the system's clock in this crate.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Seconds by which AWS is ahead of us.
    ahead: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        let here = Timestamp::now();
        here.saturating_add(ahead).unwrap_or(here)
    }

    pub(crate) fn shift(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }
}

/// `20260102T030405Z`: `SigV4`'s form.
pub(crate) fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `2026-01-02T03:04:05Z`: the form of STS answers and of policies.
pub(crate) fn extended(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`: HTTP's form.
pub(crate) fn http(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// For the ledgers.
pub(crate) fn system(time: Timestamp) -> SystemTime {
    // Only times outside what the platform can hold fail.
    time.try_into().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Parses `SigV4`'s format strictly.
pub(crate) fn parse_basic(text: &str) -> Option<Timestamp> {
    let shape = b"dddddddd*dddddd*";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, &kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            _ => byte == b'T' || byte == b'Z',
        });
    let civil = fits.then(|| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text))?.ok()?;
    jiff::tz::Offset::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_time() {
        let time = Timestamp::from_second(1_767_323_045).expect("a valid time");
        assert_eq!(basic(time), "20260102T030405Z");
        assert_eq!(extended(time), "2026-01-02T03:04:05Z");
        assert_eq!(http(time), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(parse_basic("20260102T030405Z"), Some(time));
        for wrong in ["", "20260102T030405", "20261302T030405Z", "2026-01-02T03:04Z", "20260102T0304é5Z"] {
            assert_eq!(parse_basic(wrong), None, "{wrong}");
        }
    }
}
