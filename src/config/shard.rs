//! Which part of the targets a process checks, if several share one configuration.
//!
//! Rendezvous hashing (Thaler and Ravishankar, 1998): each target belongs to the process with the highest score for it. If the number
//! of processes changes from N to N + 1, only the targets that the new one gets move, about one in N + 1.

use std::num::NonZeroU32;

use crate::target::{Invalid, quoted};

/// Part `index`, counted from 0, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: u32,
    pub count: NonZeroU32,
}

const MOST: u32 = 10_000;

impl Shard {
    /// `0/3`, or `ordinal/3` with the number at the end of the host name, as pods of a StatefulSet have it.
    ///
    /// # Errors
    /// If it is something else, or the host name has no number.
    pub(super) fn parse(text: &str, host_name: impl FnOnce() -> Option<String>) -> Result<Self, Invalid> {
        let invalid = |found: String| {
            let expected = "K/N with K from 0 to N - 1, such as 0/3, or ordinal/N for the number at the end of the host name";
            Invalid::new("shard", expected, found)
        };
        let (index, count) = text.split_once('/').ok_or_else(|| invalid(quoted(text)))?;
        let count: NonZeroU32 = count
            .parse()
            .ok()
            .filter(|n: &NonZeroU32| n.get() <= MOST)
            .ok_or_else(|| invalid(quoted(text)))?;
        let index = match index {
            "ordinal" => {
                let host = host_name().unwrap_or_default();
                ordinal(&host)
                    .ok_or_else(|| invalid(format!("{} on the host {}", quoted(text), quoted(&host))))?
            }
            number => number.parse().map_err(|_| invalid(quoted(text)))?,
        };
        match index < count.get() {
            true => Ok(Self { index, count }),
            false => Err(invalid(format!("{}: part {index} of {count}", quoted(text)))),
        }
    }

    /// Whether this process checks the target with this name.
    pub fn has(self, name: &str) -> bool {
        let hash = fnv_1a(name.as_bytes());
        // With equal scores, the first one.
        let best = (0..self.count.get()).max_by_key(|index| (score(hash, *index), std::cmp::Reverse(*index)));
        best == Some(self.index)
    }
}

/// `pipeprobe-2` → 2.
fn ordinal(host: &str) -> Option<u32> {
    let name = host.split('.').next()?;
    name.rsplit_once('-')?.1.parse().ok()
}

pub(super) fn host_name() -> Option<String> {
    Some(rustix::system::uname().nodename().to_str().ok()?.to_owned())
}

/// The same on every machine and in every version, unlike the hasher of the standard library.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014) mixes the bits of both.
fn score(hash: u64, index: u32) -> u64 {
    let mut mixed = hash ^ u64::from(index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(index: u32, count: u32) -> Shard {
        Shard { index, count: NonZeroU32::new(count).unwrap() }
    }

    fn owner(name: &str, count: u32) -> u32 {
        let owners: Vec<u32> = (0..count).filter(|index| shard(*index, count).has(name)).collect();
        assert_eq!(owners.len(), 1, "{name} of {count}: {owners:?}");
        owners[0]
    }

    #[test]
    fn each_of_thirty_thousand_targets_has_one_owner_and_few_move() {
        let names: Vec<String> = (0..30_000).map(|i| format!("tenant-{i:05}-orders")).collect();
        let of = |count| -> Vec<u32> { names.iter().map(|name| owner(name, count)).collect() };
        let (three, four) = (of(3), of(4));
        for (owners, count) in [(&three, 3_usize), (&four, 4)] {
            for index in 0..count as u32 {
                let share = owners.iter().filter(|owner| **owner == index).count();
                let expected = names.len() / count;
                assert!(share.abs_diff(expected) < expected / 20, "{index} of {count}: {share}");
            }
        }
        let moved: Vec<_> = three.iter().zip(&four).filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(_, after)| **after == 3), "only to the new one");
        assert!(moved.len().abs_diff(7500) < 400, "{}", moved.len());
    }

    /// Processes of different versions must agree.
    #[test]
    fn the_owner_of_a_name_does_not_change_with_the_version() {
        let owners: Vec<u32> =
            ["orders", "billing", "shop", "a", ""].iter().map(|name| owner(name, 3)).collect();
        assert_eq!(owners, OWNERS);
    }

    const OWNERS: [u32; 5] = [1, 0, 2, 2, 0];

    #[test]
    fn a_shard_is_a_number_or_that_of_the_host() {
        let parse = |text: &str, host: &str| Shard::parse(text, || Some(host.to_owned()));
        assert_eq!(parse("0/1", ""), Ok(shard(0, 1)));
        assert_eq!(parse("2/3", "pipeprobe-0"), Ok(shard(2, 3)));
        assert_eq!(parse("ordinal/3", "pipeprobe-2"), Ok(shard(2, 3)));
        assert_eq!(parse("ordinal/12", "pipeprobe-eu-11.pipeprobe.monitoring.svc"), Ok(shard(11, 12)));
        for (text, host) in [
            ("3/3", ""),
            ("1", ""),
            ("/3", ""),
            ("a/3", ""),
            ("0/0", ""),
            ("0/10001", ""),
            ("ordinal/2", "pipeprobe-2"),
            ("ordinal/3", "laptop"),
            ("-1/3", ""),
        ] {
            let invalid = parse(text, host).unwrap_err();
            assert!(invalid.found.contains(text), "{invalid}");
        }
    }
}
