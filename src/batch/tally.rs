//! What a run counts, and the closing summary made of it.

use std::path::Path;

use serde_json::json;

use crate::record::{Change, Status};

/// Lines by status, and the chats that got none.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    by_status: [u64; 8],
    by_change: [u64; 4],
    pub duplicates: u64,
    /// Chats that are done in the journal.
    pub already_done: u64,
    /// Chats that were not requested because they have a picture.
    pub skipped_existing: u64,
    /// Chats that were left when the run ended; `None` if their number is unknown.
    pub not_tried: Option<u64>,
}

impl Tally {
    pub fn count(&mut self, status: Status, change: Option<Change>) {
        self.by_status[status as usize] += 1;
        if let Some(change) = change {
            self.by_change[change as usize] += 1;
        }
    }

    /// Lines without an answer: timed-out, failed and invalid.
    pub fn failures(&self) -> u64 {
        [Status::TimedOut, Status::Failed, Status::Invalid].iter().map(|status| self.by_status[*status as usize]).sum()
    }

    pub fn lines(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// The summary as text: parts that are 0 are left out.
    pub fn text(&self, saved_to: Option<&Path>) -> String {
        let part = |count: u64, words: &str| (count > 0).then(|| format!("{count} {words}"));
        let of = |status: Status, words: &str| part(self.by_status[status as usize], words);
        let changed = |change: Change, words: &str| part(self.by_change[change as usize], words);
        let join = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
        let changes = [(Change::New, "new"), (Change::Changed, "changed"), (Change::Unchanged, "unchanged")];
        let changes = join(&changes.map(|(change, words)| changed(change, words)));
        let found = of(Status::Found, "found");
        let found = if changes.is_empty() { found } else { found.map(|found| format!("{found}: {changes}")) };
        let without = join(&[
            of(Status::None, "without a picture"),
            of(Status::Hidden, "hidden"),
            of(Status::NoAccount, "without an account"),
            changed(Change::Gone, "of them gone"),
        ]);
        let not_tried = match self.not_tried {
            Some(count) => part(count, "not tried"),
            None => Some("the rest not tried".to_owned()),
        };
        let saved = saved_to.filter(|_| found.is_some()).map(|dir| {
            let dir = dir.to_string_lossy();
            format!("saved to {}/", dir.trim_end_matches('/'))
        });
        let parts = [
            of(Status::Accepted, "accepted"),
            found,
            Some(without).filter(|without| !without.is_empty()),
            of(Status::TimedOut, "timed out"),
            of(Status::Failed, "failed"),
            of(Status::Invalid, "invalid"),
            part(self.duplicates, "repeated"),
            part(self.already_done, "done before"),
            part(self.skipped_existing, "skipped"),
            not_tried,
            saved,
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        // Some parts have commas of their own.
        let text = parts.join(if saved_to.is_some() { "; " } else { ", " });
        if text.is_empty() { "nothing to do".to_owned() } else { text }
    }

    /// The summary as JSON: every count, and those of pictures if they are saved.
    pub fn json(&self, saved_to: Option<&Path>) -> serde_json::Value {
        let of = |status: Status| self.by_status[status as usize];
        let changed = |change: Change| self.by_change[change as usize];
        let mut tally = json!({
            "accepted": of(Status::Accepted),
            "found": of(Status::Found),
            "none": of(Status::None),
            "hidden": of(Status::Hidden),
            "noAccount": of(Status::NoAccount),
            "timedOut": of(Status::TimedOut),
            "failed": of(Status::Failed),
            "invalid": of(Status::Invalid),
            "duplicates": self.duplicates,
            "alreadyDone": self.already_done,
            "notTried": self.not_tried,
        });
        if let Some(dir) = saved_to {
            tally["new"] = changed(Change::New).into();
            tally["changed"] = changed(Change::Changed).into();
            tally["unchanged"] = changed(Change::Unchanged).into();
            tally["gone"] = changed(Change::Gone).into();
            tally["skippedExisting"] = self.skipped_existing.into();
            tally["dir"] = dir.to_string_lossy().into();
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_parts_that_are_not_zero() {
        let mut tally = Tally { not_tried: Some(0), ..Tally::default() };
        assert_eq!(tally.text(None), "nothing to do");
        let changes = [(Change::New, 12), (Change::Changed, 3), (Change::Unchanged, 285)];
        for (change, count) in changes {
            (0..count).for_each(|_| tally.count(Status::Found, Some(change)));
        }
        let dir = Some(Path::new("avatars/"));
        assert_eq!(tally.text(dir), "300 found: 12 new, 3 changed, 285 unchanged; saved to avatars/");
        (0..2).for_each(|_| tally.count(Status::None, Some(Change::Gone)));
        (0..3).for_each(|_| tally.count(Status::None, None));
        tally.skipped_existing = 40;
        assert_eq!(
            tally.text(dir),
            "300 found: 12 new, 3 changed, 285 unchanged; 5 without a picture, 2 of them gone; 40 skipped; saved to avatars/"
        );
        let json = tally.json(dir);
        assert_eq!((&json["found"], &json["gone"], &json["skippedExisting"]), (&300.into(), &2.into(), &40.into()));
        assert_eq!(json["dir"], "avatars/");
        assert!(tally.json(None).get("new").is_none());
    }

    #[test]
    fn a_summary_without_pictures_is_a_plain_list() {
        let mut tally = Tally { not_tried: None, duplicates: 1, ..Tally::default() };
        for status in [Status::Accepted, Status::Found, Status::Hidden, Status::NoAccount, Status::Failed] {
            tally.count(status, None);
        }
        let text = "1 accepted, 1 found, 1 hidden, 1 without an account, 1 failed, 1 repeated, the rest not tried";
        assert_eq!(tally.text(None), text);
    }
}
