//! What happens to a chat: the table of the last three digits of its number.

/// What the sandbox does when a chat's avatar is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Answers this HTTP status, with its documented body.
    Status(u16),
    /// Answers this HTTP status twice, then succeeds.
    FailTwice(u16),
    /// Accepts the request; this is the result.
    Success(Outcome),
    /// Accepts the request; the result is never sent.
    NoResult,
    /// Accepts the request; the result is sent twice.
    DuplicateResult,
    /// Finds another picture each time.
    NewPicture,
    /// Answers after three seconds.
    Late,
    /// Closes the connection half-way through the answer.
    CutOff,
}

/// The result for a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a picture.
    Found,
    /// The chat has no picture, or the number has no account: the same answer.
    NoPicture,
    /// Privacy settings hide the picture.
    Hidden,
    /// The number has no account, as older instances say it.
    NoAccount,
    /// `get avatar timeout limit exceeded`.
    TimedOut,
}

impl Scenario {
    /// The scenario of a chat id, by the last three digits before its `@`.
    pub fn of(chat_id: &str) -> Scenario {
        let number = chat_id.split('@').next().unwrap_or_default();
        let digits = number.len().checked_sub(3).and_then(|start| number.get(start..));
        match digits.and_then(|digits| digits.parse().ok()).unwrap_or_default() {
            status @ (400 | 401 | 403 | 404 | 466 | 499 | 500 | 502) => Scenario::Status(status),
            status @ (429 | 503) => Scenario::FailTwice(status),
            901 | 903 => Scenario::Success(Outcome::NoPicture),
            902 => Scenario::Success(Outcome::Hidden),
            904 => Scenario::NoResult,
            905 => Scenario::DuplicateResult,
            906 => Scenario::Success(Outcome::TimedOut),
            907 => Scenario::Late,
            908 => Scenario::CutOff,
            913 => Scenario::Success(Outcome::NoAccount),
            920 => Scenario::NewPicture,
            _ => Scenario::Success(Outcome::Found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_scenarios_too_by_the_digits_before_their_at_sign() {
        assert_eq!(Scenario::of("120363043968066466@g.us"), Scenario::Status(466));
        assert_eq!(Scenario::of("11001234567-1581234904@g.us"), Scenario::NoResult);
    }

    #[test]
    fn any_other_number_has_a_picture() {
        for chat_id in ["11001234567@c.us", "9@g.us", "40@lid", "", "@c.us", "ж4@c.us"] {
            assert_eq!(Scenario::of(chat_id), Scenario::Success(Outcome::Found), "{chat_id}");
        }
    }
}
