//! Notifications as the service writes them: the AvatarInfo of a result, or bytes that somebody put into the queue.
//! Knows what they look like, not how they travel.

use super::scenario::Verdict;

/// What can stand in the queue.
pub enum Notification {
    /// The result of getAvatarAsync. Written out when it is read: a million of them should fit in memory.
    AvatarInfo(AvatarInfo),
    /// Somebody else's, kept byte for byte.
    Raw(Box<[u8]>),
}

/// The result of getAvatarAsync for one chat.
pub struct AvatarInfo {
    /// The chat that was asked for.
    pub chat_id: Box<str>,
    /// What became of it.
    pub verdict: Verdict,
    /// Unix seconds.
    pub timestamp: u64,
}

impl AvatarInfo {
    /// The documented JSON. `picture` is where the chat's picture is.
    ///
    /// There is no form for a hidden picture: it looks like none, which is what the caller learns of it.
    pub fn to_json(&self, id_instance: &str, picture: impl FnOnce() -> String) -> String {
        let AvatarInfo { chat_id, verdict, timestamp } = self;
        // A JSON number has no leading zeros.
        let id_instance = match id_instance.trim_start_matches('0') {
            "" => "0",
            number => number,
        };
        let said = match verdict {
            Verdict::Found => format!(r#""existsWhatsapp":true,"urlAvatar":"{}""#, picture()),
            Verdict::NoPicture | Verdict::Hidden => r#""existsWhatsapp":true,"urlAvatar":"""#.to_owned(),
            Verdict::NoAccount => r#""existsWhatsapp":false,"urlAvatar":"""#.to_owned(),
            Verdict::GaveUp => r#""reason":"get avatar timeout limit exceeded""#.to_owned(),
        };
        format!(
            r#"{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":{id_instance},"wid":"{WID}","typeInstance":"whatsapp"}},"timestamp":{timestamp},"avatarInfo":{{"chatId":"{chat_id}",{said}}}}}"#
        )
    }
}

/// The account that the sandbox's instance is signed in with.
pub const WID: &str = "11001234567@c.us";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_with_leading_zeros_is_still_a_number() {
        let result = AvatarInfo { chat_id: "79001234560@c.us".into(), verdict: Verdict::Hidden, timestamp: 0 };
        for (id, number) in [("007", 7), ("000", 0), ("10", 10)] {
            let json: serde_json::Value = serde_json::from_str(&result.to_json(id, String::new)).expect("JSON");
            assert_eq!(json["instanceData"]["idInstance"], number);
        }
    }

    #[test]
    fn a_result_has_the_documented_shape() {
        let json = |verdict| {
            let result = AvatarInfo { chat_id: "79001234560@c.us".into(), verdict, timestamp: 1_586_700_802 };
            result.to_json("1101000001", || "http://127.0.0.1:1/x.jpg?oe=615A60EB".to_owned())
        };
        assert_eq!(
            json(Verdict::Found),
            r#"{"typeWebhook":"deviceInfo","instanceData":{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"},"timestamp":1586700802,"avatarInfo":{"chatId":"79001234560@c.us","existsWhatsapp":true,"urlAvatar":"http://127.0.0.1:1/x.jpg?oe=615A60EB"}}"#
        );
        assert!(json(Verdict::NoPicture).ends_with(r#""existsWhatsapp":true,"urlAvatar":""}}"#));
        assert_eq!(json(Verdict::Hidden), json(Verdict::NoPicture));
        assert!(json(Verdict::NoAccount).ends_with(r#""existsWhatsapp":false,"urlAvatar":""}}"#));
        let gave_up = r#""avatarInfo":{"chatId":"79001234560@c.us","reason":"get avatar timeout limit exceeded"}}"#;
        assert!(json(Verdict::GaveUp).ends_with(gave_up));
    }
}
