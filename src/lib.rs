//! greenavatar: the library behind the command of the same name.

pub mod chat_id;
pub mod duration;
pub mod escape;
pub mod failure;
pub mod greenapi;
pub mod http;
pub mod interrupt;
pub mod output;
pub mod record;
pub mod report;
pub mod results;
pub mod token;
