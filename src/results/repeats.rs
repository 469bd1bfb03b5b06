//! Which results were printed already: delivery is at least once, and duplicates are normal.
//!
//! Two notifications are the same where chat id, timestamp, URL and reason are. The memory is bounded, so that a run
//! of weeks does not grow; what fell out of it would be printed again, which is the harmless side.

use std::hash::{BuildHasher, RandomState};

use crate::greenapi::messages::AvatarInfo;
use crate::recent::Recent;

/// The last results that were printed.
#[derive(Debug, Default)]
pub struct Repeats {
    hasher: RandomState,
    known: Recent<u64>,
}

impl Repeats {
    /// Whether the result was printed before.
    pub fn knows(&self, info: &AvatarInfo) -> bool {
        self.known.has(self.mark(info))
    }

    /// From now on the result is known. Say so only once its line is out: what failed to get out must come again.
    pub fn remember(&mut self, info: &AvatarInfo) {
        self.known.meet(self.mark(info));
    }

    fn mark(&self, info: &AvatarInfo) -> u64 {
        self.hasher.hash_one((&info.chat_id, info.timestamp, &info.url_avatar, &info.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recent::REMEMBERED;

    fn info(timestamp: i64) -> AvatarInfo {
        AvatarInfo { chat_id: "11001234567@c.us".into(), timestamp: Some(timestamp), ..AvatarInfo::default() }
    }

    #[test]
    fn only_the_same_four_fields_are_a_repeat() {
        let mut repeats = Repeats::default();
        repeats.remember(&info(1));
        assert!(repeats.knows(&AvatarInfo { exists_whatsapp: Some(true), ..info(1) }));
        let url_avatar = Some("https://pps.whatsapp.net/new.jpg".to_owned());
        assert!(!repeats.knows(&AvatarInfo { url_avatar, ..info(1) }), "the avatar changed");
        assert!(!repeats.knows(&info(2)));
        assert!(!repeats.knows(&AvatarInfo { chat_id: "1@lid".into(), ..info(1) }));
        assert!(!repeats.knows(&AvatarInfo { reason: Some("bad".into()), ..info(1) }));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut repeats = Repeats::default();
        for n in 0..=REMEMBERED as i64 {
            repeats.remember(&info(n));
            repeats.remember(&info(n));
        }
        assert!(!repeats.knows(&info(0)));
        assert!(repeats.knows(&info(1)) && repeats.knows(&info(REMEMBERED as i64)));
    }
}
