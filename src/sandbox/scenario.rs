//! What happens to a chat: the table of the last three digits of its number. Pure; who keeps count and who answers are elsewhere.

/// What the sandbox does when it is asked for a chat's avatar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Always this HTTP status, with its documented body.
    Status(u16),
    /// This HTTP status twice, then well.
    TwiceThenWell(u16),
    /// Accepted, and this is the result.
    Well(Verdict),
    /// Accepted, but the result never comes.
    Lost,
    /// Accepted, and the result comes twice.
    Doubled,
    /// The HTTP answer takes three seconds.
    Late,
    /// The connection ends half-way through the answer.
    CutOff,
}

/// What becomes of a chat whose avatar was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is a picture.
    Found,
    /// The chat has no picture.
    NoPicture,
    /// Privacy settings hide the picture.
    Hidden,
    /// The number has no account.
    NoAccount,
    /// The service gave up: `get avatar timeout limit exceeded`.
    GaveUp,
}

impl Scenario {
    /// The row of the table for a chat id: by the last three digits before its `@`.
    pub fn of(chat_id: &str) -> Scenario {
        let number = chat_id.split('@').next().unwrap_or_default();
        let row = number.len().checked_sub(3).and_then(|start| number.get(start..));
        match row.unwrap_or_default() {
            "400" => Scenario::Status(400),
            "401" => Scenario::Status(401),
            "403" => Scenario::Status(403),
            "404" => Scenario::Status(404),
            "466" => Scenario::Status(466),
            "499" => Scenario::Status(499),
            "500" => Scenario::Status(500),
            "502" => Scenario::Status(502),
            "429" => Scenario::TwiceThenWell(429),
            "503" => Scenario::TwiceThenWell(503),
            "901" => Scenario::Well(Verdict::NoPicture),
            "902" => Scenario::Well(Verdict::Hidden),
            "903" => Scenario::Well(Verdict::NoAccount),
            "904" => Scenario::Lost,
            "905" => Scenario::Doubled,
            "906" => Scenario::Well(Verdict::GaveUp),
            "907" => Scenario::Late,
            "908" => Scenario::CutOff,
            _ => Scenario::Well(Verdict::Found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_digits_of_the_number_choose_the_row() {
        for status in [400, 401, 403, 404, 466, 499, 500, 502] {
            assert_eq!(Scenario::of(&format!("11001234{status}@c.us")), Scenario::Status(status));
        }
        assert_eq!(Scenario::of("11001234429@c.us"), Scenario::TwiceThenWell(429));
        assert_eq!(Scenario::of("11001234503@c.us"), Scenario::TwiceThenWell(503));
        assert_eq!(Scenario::of("11001234901@c.us"), Scenario::Well(Verdict::NoPicture));
        assert_eq!(Scenario::of("11001234902@c.us"), Scenario::Well(Verdict::Hidden));
        assert_eq!(Scenario::of("11001234903@c.us"), Scenario::Well(Verdict::NoAccount));
        assert_eq!(Scenario::of("11001234904@c.us"), Scenario::Lost);
        assert_eq!(Scenario::of("11001234905@c.us"), Scenario::Doubled);
        assert_eq!(Scenario::of("11001234906@c.us"), Scenario::Well(Verdict::GaveUp));
        assert_eq!(Scenario::of("11001234907@c.us"), Scenario::Late);
        assert_eq!(Scenario::of("11001234908@c.us"), Scenario::CutOff);
    }

    #[test]
    fn any_other_number_has_a_picture() {
        for chat_id in ["11001234567@c.us", "120363043968066561@g.us", "9@g.us", "40@lid", "", "@c.us", "ж4@c.us"] {
            assert_eq!(Scenario::of(chat_id), Scenario::Well(Verdict::Found), "{chat_id}");
        }
    }

    #[test]
    fn groups_are_rows_too_by_the_digits_before_their_at_sign() {
        assert_eq!(Scenario::of("120363043968066466@g.us"), Scenario::Status(466));
        assert_eq!(Scenario::of("11001234567-1581234904@g.us"), Scenario::Lost);
    }
}
