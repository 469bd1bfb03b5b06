//! The JSON that travels: requests out, notifications and getAvatar's answers in.
//!
//! Reading is lenient, since documented copies disagree: ids come as numbers or strings, keys are missing, unknown or
//! doubled. What cannot be read is said to be unreadable, never guessed. No I/O here.
