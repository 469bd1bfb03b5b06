//! The results of getAvatarAsync: read from the queue or received by the webhook server, and matched with requests.
//!
//! No notification is lost: it is deleted or acknowledged only after its line is flushed or, if it belongs to another
//! program, after it is on disk. This module does not depend on flags, settings or lists.

pub mod lock;
pub mod pending;
pub mod queue;
pub mod receive;
pub mod save;
#[cfg(test)]
mod script;
pub mod spool;
pub mod wait;
pub mod webhook;

use std::hash::Hash;

use crate::failure::{Failure, Kind};
use crate::greenapi::notification::AvatarInfo;
use crate::output::Output;
use crate::pictures::url;
use crate::record::{Record, Status};

pub fn record(info: &AvatarInfo) -> Record {
    let mut record = match (info.failure(), &info.url_avatar) {
        (Some(failure), _) => Record::failed(info.chat_id.as_str(), &failure),
        (None, Some(url)) => {
            Record { url_avatar: Some(url.clone()), ..Record::new(info.chat_id.as_str(), Status::Found) }
        }
        (None, None) if info.exists_whatsapp == Some(false) => Record::new(info.chat_id.as_str(), Status::NoAccount),
        (None, None) => Record::new(info.chat_id.as_str(), Status::None),
    };
    url::annotate(&mut record);
    record.timestamp = info.timestamp;
    record
}

/// The fields that are equal in repeats of a result: the service delivers at least once, so repeats are normal.
pub fn identity(info: &AvatarInfo) -> impl Hash {
    (&info.chat_id, info.timestamp, &info.url_avatar, &info.reason)
}

/// Refuses a run that would delete results without printing them: `-q` omits the lines of text mode.
pub fn require_lines(output: &Output) -> Result<(), Failure> {
    if !output.is_silent() {
        return Ok(());
    }
    Err(Failure::new(Kind::BadSettings, "with -q the results would be taken off the queue without being printed")
        .hint("omit -q, or add --json, which prints the results nevertheless"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recent::Deduplicator;

    #[test]
    fn every_kind_of_result_has_its_status() {
        let info = |url: Option<&str>, exists_whatsapp, reason: Option<&str>| AvatarInfo {
            chat_id: "11001234567@c.us".into(),
            timestamp: Some(7),
            url_avatar: url.map(str::to_owned),
            exists_whatsapp,
            reason: reason.map(str::to_owned),
        };
        let url = Some("https://pps.whatsapp.net/x.jpg?oe=615A60EB");
        for (info, status) in [
            (info(url, None, None), Status::Found),
            (info(url, Some(false), Some("odd")), Status::Found),
            (info(None, None, None), Status::None),
            (info(None, Some(true), None), Status::None),
            (info(None, Some(false), None), Status::NoAccount),
            (info(None, None, Some("get avatar timeout limit exceeded")), Status::Failed),
        ] {
            let record = record(&info);
            assert_eq!((record.status, record.timestamp), (status, Some(7)), "{info:?}");
        }
        assert_eq!(record(&info(url, None, None)).expires_at.as_deref(), Some("2021-10-04T02:03:23Z"));
    }

    #[test]
    fn a_repeat_has_the_same_chat_time_url_and_reason() {
        let info = AvatarInfo { chat_id: "11001234567@c.us".into(), timestamp: Some(1), ..AvatarInfo::default() };
        let mut printed = Deduplicator::default();
        printed.insert(&identity(&info));
        let is_repeat = |other: AvatarInfo| printed.contains(&identity(&other));
        assert!(is_repeat(AvatarInfo { exists_whatsapp: Some(true), ..info.clone() }));
        assert!(!is_repeat(AvatarInfo { chat_id: "1@lid".into(), ..info.clone() }));
        assert!(!is_repeat(AvatarInfo { timestamp: Some(2), ..info.clone() }));
        assert!(!is_repeat(AvatarInfo { url_avatar: Some("https://pps.whatsapp.net/x".into()), ..info.clone() }));
        assert!(!is_repeat(AvatarInfo { reason: Some("bad".into()), ..info.clone() }));
    }
}
